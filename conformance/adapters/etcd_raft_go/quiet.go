package main

import "fmt"

// quiet says nothing, and panics where the library does.
type quiet struct{}

func (quiet) Debug(...any)                      {}
func (quiet) Debugf(string, ...any)             {}
func (quiet) Error(...any)                      {}
func (quiet) Errorf(string, ...any)             {}
func (quiet) Info(...any)                       {}
func (quiet) Infof(string, ...any)              {}
func (quiet) Warning(...any)                    {}
func (quiet) Warningf(string, ...any)           {}
func (quiet) Fatal(values ...any)               { panic(fmt.Sprint(values...)) }
func (quiet) Fatalf(text string, values ...any) { panic(fmt.Sprintf(text, values...)) }
func (quiet) Panic(values ...any)               { panic(fmt.Sprint(values...)) }
func (quiet) Panicf(text string, values ...any) { panic(fmt.Sprintf(text, values...)) }
