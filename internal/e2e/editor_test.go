package e2e

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// asksServer has Neovim wait for what the server says, ask it, and write all
// that down.
const asksServer = `
local ok, why = pcall(function()
vim.lsp.start = vim.lsp.start or function(config) -- of Neovim 0.8
  local id = vim.lsp.start_client(config)
  vim.lsp.buf_attach_client(0, id)
end
vim.g.do_filetype_lua = 1 -- likewise
vim.cmd("filetype on")
%s
vim.cmd("edit hunt.qst")
local out = {}
local function said() return #vim.diagnostic.get(0) > 0 end
vim.wait(20000, said, 20)
for _, d in ipairs(vim.diagnostic.get(0)) do
  out.diagnostic = { message = d.message, line = d.lnum, from = d.col, to = d.end_col, code = d.code }
end
local function ask(method, position)
  local params = { textDocument = vim.lsp.util.make_text_document_params(), position = position, options = { tabSize = 2, insertSpaces = true } }
  for _, answer in pairs(vim.lsp.buf_request_sync(0, method, params, 20000) or {}) do return answer.result end
end
out.completion = {}
for _, item in ipairs(ask("textDocument/completion", { line = 0, character = 24 }).items) do
  table.insert(out.completion, item.label)
end
out.hover = ask("textDocument/hover", { line = 0, character = 6 }).contents.value
vim.api.nvim_buf_set_lines(0, 0, -1, false, { "find file /etc/* where mtime>now-2d" })
vim.wait(20000, function() return not said() end, 20)
for _, e in ipairs({ ask("textDocument/formatting", { line = 0, character = 0 }) }) do
  vim.lsp.util.apply_text_edits(e, 0, "utf-16")
end
out.formatted = vim.api.nvim_buf_get_lines(0, 0, -1, false)
vim.fn.writefile({ vim.fn.json_encode(out) }, "out.json")
end)
if not ok then io.stderr:write(why) end
vim.cmd("qa!")
`

var lua = regexp.MustCompile("(?s)```lua\n(.*?)```")

// What the page says for Neovim makes it speak with the server.
func TestNeovim(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("nvim"); err != nil {
		t.Skip("LEFT OUT: there is no Neovim here")
	}
	dir := t.TempDir()
	snippet := lua.FindStringSubmatch(read(t, "../../docs/editors.md"))
	if snippet == nil {
		t.Fatal("the page shows no configuration")
	}
	before, after, _ := strings.Cut(asksServer, "%s")
	for name, text := range map[string]string{"hunt.qst": "FIND file /etc/* WHERE mtme > now - 2d\n", "init.lua": before + snippet[1] + after} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "nvim", "--headless", "-n", "-i", "NONE", "-u", "init.lua")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"), "HOME="+dir,
		"XDG_CONFIG_HOME="+dir, "XDG_STATE_HOME="+dir, "XDG_CACHE_HOME="+dir, "XDG_DATA_HOME="+dir)
	cmd.WaitDelay = time.Second
	said, err := cmd.CombinedOutput()
	text, missing := os.ReadFile(filepath.Join(dir, "out.json"))
	if err != nil || missing != nil {
		t.Fatalf("%v, %v\n%s", err, missing, said)
	}
	var out struct {
		Diagnostic struct {
			Message, Code  string
			Line, From, To int
		}
		Completion, Formatted []string
		Hover                 string
	}
	if err := json.Unmarshal(text, &out); err != nil {
		t.Fatal(err)
	}
	if d := out.Diagnostic; d.Code != "unknown-column" || d.From != 23 || d.To != 27 {
		t.Errorf("the mistake is %+v", d)
	}
	if !slices.Contains(out.Completion, "mtime") {
		t.Errorf("it offers %q", out.Completion)
	}
	if out.Hover == "" {
		t.Error("it explains nothing")
	}
	if len(out.Formatted) != 1 || out.Formatted[0] != "FIND file /etc/* WHERE mtime > now - 2d" {
		t.Errorf("it formats %q", out.Formatted)
	}
}
