package bypass

import (
	"slices"
	"testing"

	"github.com/mlcache/mlcache/catalog"
	"github.com/mlcache/mlcache/sqlinfo"
)

func TestTableHasEveryReasonOnce(t *testing.T) {
	t.Parallel()
	all := All()
	for i, r := range all {
		if Doc(r) == "" || Advice(r) == "" {
			t.Errorf("%s: doc %q, advice %q", r, Doc(r), Advice(r))
		}
		if slices.Contains(all[:i], r) {
			t.Errorf("%s is there twice", r)
		}
	}
	for _, r := range slices.Concat(sqlinfo.Reasons(), catalog.Reasons()) {
		if !slices.Contains(all, r) {
			t.Errorf("%s is missing", r)
		}
	}
	if Doc("nonsense") != "" || Advice("nonsense") != "" {
		t.Error("what is no reason is described")
	}
}
