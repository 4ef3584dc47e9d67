package sqlinfo

import (
	"fmt"
	"strings"
	"testing"
)

func TestSessionAndTransaction(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ sql, want string }{
		{`BEGIN ISOLATION LEVEL SERIALIZABLE`, "tx begin"},
		{`START TRANSACTION`, "tx begin"},
		{`COMMIT`, "tx commit"},
		{`END TRANSACTION`, "tx commit"},
		{`COMMIT WORK AND CHAIN`, "tx commit chain"},
		{`COMMIT AND NO CHAIN`, "tx commit"},
		{`ROLLBACK`, "tx rollback"},
		{`ABORT AND CHAIN`, "tx rollback chain"},
		{`ROLLBACK TO a`, "tx rollback to"},
		{`ROLLBACK WORK TO SAVEPOINT a`, "tx rollback to"},
		{`SAVEPOINT a`, "tx savepoint"},
		{`RELEASE SAVEPOINT a`, "tx release"},
		{`PREPARE TRANSACTION 'x'`, "tx prepare transaction"},
		{`COMMIT PREPARED 'x'`, "tx commit prepared"},
		{`ROLLBACK PREPARED 'x'`, "tx rollback prepared"},
		{`SET TRANSACTION READ ONLY`, "tx set transaction"},
		{`SET LOCAL TRANSACTION READ ONLY`, "tx set transaction"},
		{`SET search_path TO a, b`, "session set search_path"},
		{`SET SESSION "DateStyle" = 'ISO'`, "session set datestyle"},
		{`SET LOCAL App.Tenant = '1'`, "session set local app.tenant"},
		{`SET local.x = 1`, "session set local.x"},
		{`SET TIME ZONE 'UTC'`, "session set timezone"},
		{`SET LOCAL TIME ZONE LOCAL`, "session set local timezone"},
		{`SET SCHEMA 'x'`, "session set search_path"},
		{`SET NAMES 'utf8'`, "session set client_encoding"},
		{`SET XML OPTION DOCUMENT`, "session set xmloption"},
		{`SET ROLE bob`, "session role"},
		{`SET role TO bob`, "session role"},
		{`SET LOCAL ROLE bob`, "session role local"},
		{`SET SESSION AUTHORIZATION bob`, "session role"},
		{`SET SESSION SESSION AUTHORIZATION bob`, "session role"},
		{`SET session_authorization = bob`, "session role"},
		{`SET LOCAL SESSION AUTHORIZATION DEFAULT`, "session role local"},
		{`SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY`, "session session characteristics"},
		{`SET CONSTRAINTS ALL DEFERRED`, "session constraints"},
		{`RESET ALL`, "session reset all"},
		{`RESET a.b`, "session reset a.b"},
		{`RESET ROLE`, "session role"},
		{`RESET SESSION AUTHORIZATION`, "session role"},
		{`RESET TIME ZONE`, "session reset timezone"},
		{`DISCARD ALL`, "session discard all"},
		{`DISCARD TEMPORARY`, "session discard temp"},
		{`DISCARD PLANS`, "session discard other"},
		{`PREPARE p AS SELECT 1`, "session prepare"},
		{`DEALLOCATE ALL`, "session deallocate"},
		{`LISTEN x`, "session listen"},
		{`UNLISTEN *`, "session unlisten"},
		{`LOAD 'x'`, "session load"},
	} {
		info := Parse(c.sql)
		got := strings.Join(strings.Fields(fmt.Sprint(info.Kind, " ", info.TxOp, " ", info.SessionOp, " ", info.Setting)), " ")
		if info.TxChain {
			got += " chain"
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.sql, got, c.want)
		}
		if info.ChangesSession != (info.Kind == Session) {
			t.Errorf("%s: changes session %v", c.sql, info.ChangesSession)
		}
	}
}
