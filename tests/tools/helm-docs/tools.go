//go:build tools

// Package tools names the program that tests/tools/install builds, so that go.mod and go.sum pin it.
package tools

import (
	_ "github.com/norwoodj/helm-docs/cmd/helm-docs"
)
