// Package observe holds tests of what an operator sees: metrics as a real Prometheus
// and the OpenTelemetry SDK take them, the dashboard's queries, the status page in a
// browser.
package observe
