#!/usr/bin/env bash
# Runs the tests by the given command, and what failed once more by itself. A test that fails only beside the others, or
# only on a busy machine, does not stop a change, but it is shown and wants mending.
"$@" && exit
printf '\n== once more, only what failed; a pass now is a test that depends on the machine: mend it\n'
"$@" --last-failed --last-failed-no-failures none
