// Package chart draws how a cost grows with the work, as SVG. Both axes are
// logarithmic: a cost that grows with the work is a straight line, and one that
// does not is level.
package chart

import (
	"errors"
	"fmt"
	"image/color"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"text/tabwriter"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/plotutil"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"
)

// Chart is a chart with one or more lines.
type Chart struct {
	// Name is the name of the chart's file, without its ending.
	Name string
	// Title says what is measured, X what grows, Y what a value is.
	Title, X, Y string
	Lines       []Line
}

// Line is what one way to do it costs.
type Line struct {
	Name   string
	Points []Point
}

// Point is the cost Y at the size X. Both are more than zero.
type Point struct{ X, Y float64 }

const (
	width  = 16 * vg.Centimeter
	height = 11 * vg.Centimeter
	margin = 3 * vg.Millimeter
)

// WriteFile draws the chart into the folder dir, which it makes if need be.
func (c *Chart) WriteFile(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(dir, c.Name+".svg"))
	if err != nil {
		return err
	}
	return errors.Join(c.Draw(f), f.Close())
}

// Draw writes the chart as SVG. It fails if a line is empty, or has a point that
// a logarithmic axis cannot show.
func (c *Chart) Draw(w io.Writer) error {
	p := plot.New()
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = c.Title, c.X, c.Y
	p.Title.Padding = 3 * vg.Millimeter
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Millimeter
	p.Add(plotter.NewGrid())
	var xs, ys []float64
	for i, l := range c.Lines {
		points := make(plotter.XYs, 0, len(l.Points))
		for _, pt := range l.Points {
			if !(pt.X > 0 && pt.Y > 0) || math.IsInf(pt.X, 1) || math.IsInf(pt.Y, 1) {
				return fmt.Errorf("chart %s: %s has a point (%v, %v)", c.Name, l.Name, pt.X, pt.Y)
			}
			points = append(points, plotter.XY(pt))
			xs, ys = append(xs, pt.X), append(ys, pt.Y)
		}
		line, dots, err := plotter.NewLinePoints(points)
		if err != nil {
			return fmt.Errorf("chart %s: %s: %w", c.Name, l.Name, err)
		}
		line.Color, dots.Color = plotutil.Color(i), plotutil.Color(i)
		line.Width, line.Dashes = vg.Points(1.5), plotutil.Dashes(i)
		dots.Shape = plotutil.Shape(i)
		p.Add(line, dots)
		p.Legend.Add(l.Name, line, dots)
	}
	if len(xs) == 0 {
		return fmt.Errorf("chart %s: no lines", c.Name)
	}
	slices.Sort(xs)
	p.X.Tick.Marker = ticks(slices.Compact(xs))
	// No axis that makes a tenth look steep.
	p.Y.Min = min(slices.Min(ys)/1.2, 0.5)
	p.Y.Max = max(slices.Max(ys)*1.2, 2)
	p.Y.Tick.Marker = ticks(steps(p.Y.Min, p.Y.Max))
	svg := vgsvg.New(width, height)
	all := draw.New(svg)
	all.FillPolygon(color.White, all.ClipPolygonXY([]vg.Point{{}, {X: width}, {X: width, Y: height}, {Y: height}}))
	// A margin: half of the last size stands beyond the end of its axis.
	p.Draw(draw.Crop(all, margin, -2*margin, margin, -margin))
	_, err := svg.WriteTo(w)
	return err
}

// WriteTable prints the points, a row for each size.
func (c *Chart) WriteTable(w io.Writer) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintf(t, "%s (%s)\n%s", c.Title, c.Y, c.X)
	rows := map[float64][]string{}
	var xs []float64
	for i, l := range c.Lines {
		fmt.Fprintf(t, "\t%s", l.Name)
		for _, p := range l.Points {
			if rows[p.X] == nil {
				rows[p.X] = make([]string, len(c.Lines))
				xs = append(xs, p.X)
			}
			rows[p.X][i] = strconv.FormatFloat(p.Y, 'g', 3, 64)
		}
	}
	slices.Sort(xs)
	for _, x := range xs {
		fmt.Fprintf(t, "\n%.0f", x)
		for _, y := range rows[x] {
			fmt.Fprintf(t, "\t%s", y)
		}
	}
	fmt.Fprint(t, "\n\n")
	return t.Flush()
}

func ticks(values []float64) plot.ConstantTicks {
	marks := make(plot.ConstantTicks, len(values))
	for i, v := range values {
		marks[i] = plot.Tick{Value: v, Label: strconv.FormatFloat(v, 'f', -1, 64)}
	}
	return marks
}

// steps returns the round values from low to high: 1, 2 and 5 of each decade, or
// the decades alone where those would be too many.
func steps(low, high float64) []float64 {
	leading := []float64{1, 2, 5}
	if high/low > 1e4 {
		leading = leading[:1]
	}
	var values []float64
	for e := math.Floor(math.Log10(low)); e <= math.Log10(high); e++ {
		for _, l := range leading {
			// Through text: 2 * 10^-1 is not the nearest to 0.2.
			v, _ := strconv.ParseFloat(fmt.Sprintf("%ge%g", l, e), 64)
			if v >= low && v <= high {
				values = append(values, v)
			}
		}
	}
	return values
}
