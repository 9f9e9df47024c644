// Package inside is how a program in C begins the fixture that it has inside.
package inside
