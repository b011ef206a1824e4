package packages

import (
	"testing"

	"github.com/quaestor-engine/quaestor/modules/moduletest"
)

// portageTree is a host of Gentoo.
func portageTree(t *testing.T) string {
	return plant(t, map[string]string{
		"var/lib/portage/world":                              "app-editors/vim\n>=sys-apps/foo-bar-2.1:0/2\n@kde\n\n",
		"var/db/pkg/app-editors/vim-9.1.0366-r1/SLOT":        "0\n",
		"var/db/pkg/app-editors/vim-9.1.0366-r1/SIZE":        "4000000\n",
		"var/db/pkg/app-editors/vim-9.1.0366-r1/LICENSE":     "vim\n",
		"var/db/pkg/app-editors/vim-9.1.0366-r1/DESCRIPTION": "Vim, an improved vi-style text editor\n",
		"var/db/pkg/app-editors/vim-9.1.0366-r1/HOMEPAGE":    "https://www.vim.org/\n",
		"var/db/pkg/app-editors/vim-9.1.0366-r1/repository":  "gentoo\n",
		"var/db/pkg/app-editors/vim-9.1.0366-r1/BUILD_TIME":  "1719000000\n",
		"var/db/pkg/sys-apps/foo-bar-2.1_p5/SIZE":            "many\n",
		"var/db/pkg/sys-apps/foo-bar-2.1_p5/repository":      "overlay\n",
		"var/db/pkg/sys-apps/font-100dpi-1.0.3/SLOT":         "0\n",
		"var/db/pkg/sys-apps/-MERGING-x-1/SLOT":              "0\n",
		"var/db/pkg/sys-apps/noversion/SLOT":                 "0\n",
	})
}

func TestPortage(t *testing.T) {
	root := portageTree(t)
	columns := []string{"id", "name", "version", "section", "size", "installed", "summary", "license", "homepage", "repository", "requested"}
	got, rec := moduletest.Rows(t, packageModule(), root, columns, nil)
	expect(t, got, rec, []string{
		"portage:app-editors/vim:/var/db/pkg/app-editors/vim-9.1.0366-r1 | app-editors/vim | 9.1.0366-r1 | app-editors | 4000000 | 2024-06-21T20:00:00Z | Vim, an improved vi-style text editor | vim | https://www.vim.org/ | gentoo | true",
		"portage:sys-apps/font-100dpi:/var/db/pkg/sys-apps/font-100dpi-1.0.3 | sys-apps/font-100dpi | 1.0.3 | sys-apps | null | null | null | null | null | null | false",
		"portage:sys-apps/foo-bar:/var/db/pkg/sys-apps/foo-bar-2.1_p5 | sys-apps/foo-bar | 2.1_p5 | sys-apps | null | null | null | null | null | overlay | true",
	}, []string{"io_error /var/db/pkg/sys-apps/foo-bar-2.1_p5/SIZE", "io_error /var/db/pkg/sys-apps/noversion"})
	for locator, want := range map[string]int{"portage:*": 3, "app-editors/*": 1, "dpkg:*": 0, "*foo*": 1} {
		if got, _ := moduletest.Rows(t, packageModule(), root, columns, []string{locator}); len(got) != want {
			t.Errorf("%s: %q", locator, got)
		}
	}
	moduletest.Run(t, packageModule(), root)
}
