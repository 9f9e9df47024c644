//go:build archive

// Package inside is how a program in C begins the fixture that it has inside.
// (The fixture itself has assembly, so it must not have C code.)
package inside

import "C"

// Main is the fixture's main function.
var Main func()

// Begin is called by the program.
//
//export Begin
func Begin() {
	Main()
}
