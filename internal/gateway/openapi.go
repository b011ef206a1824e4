package gateway

import (
	_ "embed" // openapi.json
	"net/http"
)

//go:embed openapi.json
var openAPI []byte

// description answers GET /openapi.json.
func description(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	// Whoever does not read it has gone, and there is nobody to tell.
	_, _ = w.Write(openAPI)
}
