//go:build tools

// Package tools keeps the programs of this group in go.mod. Written by devcluster.modules.
package tools

import (
	_ "github.com/argoproj/argo-rollouts/cmd/rollouts-controller"
)
