# make (or make help) lists what there is. The first target that needs it sets up .venv by itself.
# GNU make 4.0 or newer, and a POSIX shell.

MAKEFLAGS += --no-print-directory --no-builtin-rules
.SUFFIXES:
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# An interpreter that the user names is the only one tried; otherwise the newest fitting one on PATH.
PYTHON ?= python3
NAMED := $(if $(filter file default undefined,$(origin PYTHON)),,yes)

BIN := .venv/bin
SOURCES := $(wildcard netlab/*.py netlab/*/*.py netlab/*/*/*.py)

# A virtual environment holds absolute paths: in a directory that was moved, it is made anew.
-include .venv/.place.mk
ifneq ($(MADE_IN),$(CURDIR))
.venv/.installed: moved
endif

.PHONY: help
help: ## what can be made (this list)
	@echo 'usage: make TARGET [SEED=7] [BACKEND=docker] [ARGS="…"] [PYTHON=python3.12]'
	@sed -n 's/^\([a-z][a-z-]*\):[^#]*## *\(.*\)/  \1\t\2/p' Makefile | expand -t 18

# These are no phony targets, so that the pattern below them gives their recipe.
lab-ports: ## draw a client's port; knock at open ports and at closed ones
lab-dns: ## ask the lab's DNS server with a crafted UDP query
lab-headers: ## the headers of UDP and TCP, bit by bit, and their checksums
lab-udp: ## datagrams that are damaged, lost, overtaken or doubled; who notices
lab-handshake: ## open, use and close a TCP connection, segment by segment
lab-close: ## end a connection from either side, from both, by half, by force
lab-ordering: ## damaged, late, lost, double: TCP puts the page together all the same
lab-window: ## a window that closes to zero, probes, and the update that opens it
lab-rst: ## the handshake without the firewall rule: the kernel's RST, caught; other cures
lab-unfinished: ## what a server does when nobody acknowledges; then the script, finished
lab-%: .venv/.compiled
	@$(BIN)/netlab lab run $* $(if $(SEED),--seed $(SEED)) $(if $(BACKEND),--backend $(BACKEND)) $(ARGS)

.PHONY: test
test: .venv/.dev .venv/.compiled ## the tests, four at a time: most wait (ARGS="-k dns" chooses)
	@$(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

.PHONY: check
check: .venv/.dev ## format, lint, types, layers, spelling, dependencies
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/deptry .

.PHONY: format
format: .venv/.dev ## rewrite the sources as check wants them
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: bench
bench: .venv/.dev .venv/.compiled ## how fast a lab stands, beside the kernel's floor (PEERS=1: and others)
	@$(BIN)/python tests/bench $(if $(PEERS),--peers) $(ARGS)

.PHONY: clean
clean: ## remove runs, caches and what was built
	rm -rf build dist runs .coverage .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	rm -rf *.egg-info .venv/.compiled
	find . -name .venv -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: distclean
distclean: clean ## and .venv too
	rm -rf .venv

# Labs see a read-only file system: what Python compiles must be there before.
.venv/.compiled: .venv/.installed $(SOURCES)
	@$(BIN)/python -m compileall -q netlab
	@touch $@

.PHONY: moved
moved:

.venv/.installed: export SETUP = $(value SETUP_SCRIPT)
.venv/.installed: pyproject.toml
	@sh -c "$$SETUP" netlab-setup base '$(PYTHON)' '$(NAMED)' '$(BACKEND)'

.venv/.dev: export SETUP = $(value SETUP_SCRIPT)
.venv/.dev: .venv/.installed
	@sh -c "$$SETUP" netlab-setup dev

# Arguments: base or dev; the interpreter; whether the user named it; the backend that the user named.
define SETUP_SCRIPT
set -u

fail() {
    printf 'netlab: %s\n' "$*" >&2
    exit 2
}

# One set-up at a time; the descriptor's lock goes with the process, the directory's with its trap.
lock() {
    if command -v flock >/dev/null 2>&1; then
        exec 9<pyproject.toml
        flock 9
        return
    fi
    until mkdir .venv.lock 2>/dev/null; do
        holder=$(cat .venv.lock/pid 2>/dev/null) || holder=
        if [ -n "$holder" ] && ! kill -0 "$holder" 2>/dev/null; then rm -rf .venv.lock; fi
        sleep 1
    done
    echo $$ >.venv.lock/pid
    trap 'rm -rf .venv.lock' EXIT
    trap 'exit 130' INT HUP TERM
}

is_fresh() {
    [ -e "$1" ] && [ -z "$(find pyproject.toml -newer "$1")" ] &&
        grep -qxF "MADE_IN := $(pwd)" .venv/.place.mk 2>/dev/null
}

# Prints major.minor, or nothing where there is no such interpreter or it does not run.
version_of() {
    command -v "$1" >/dev/null 2>&1 && "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

is_new_enough() {
    case $1 in
        3.[0-9] | 3.10 | [0-2].*) return 1 ;;
        *) return 0 ;;
    esac
}

# Sets python, or fails with the sentence for the nearest miss.
choose_python() {
    others='python3.14 python3.13 python3.12 python3.11'
    if [ "$2" = yes ]; then others=; fi
    old='' bare=''
    for python in "$1" $others; do
        version=$(version_of "$python") || continue
        if ! is_new_enough "$version"; then old=${old:-"$python is $version"}; continue; fi
        if "$python" -c 'import ensurepip, venv' >/dev/null 2>&1; then return; fi
        bare=${bare:-$python}
    done
    if [ -n "$bare" ]; then
        fail "$bare cannot make a virtual environment, it lacks ensurepip —" \
            "Debian and Ubuntu have it apart: sudo apt install ${bare##*/}-venv"
    elif [ -n "$old" ]; then
        fail "Python 3.11 or newer is needed, and $old — install a newer one beside it" \
            "(Debian, Ubuntu: sudo apt install python3.11-venv; Fedora: sudo dnf install python3.12)," \
            "or name yours: make PYTHON=/path/to/python3"
    fi
    fail "Python 3.11 or newer is needed, and there is no $1 that runs — install it" \
        "(Debian, Ubuntu: sudo apt install python3-venv; Fedora: sudo dnf install python3)," \
        "or name yours: make PYTHON=/path/to/python3"
}

# Its words go to a log, whose end is shown where it fails.
pip_install() {
    .venv/bin/python -m pip install --quiet --disable-pip-version-check "$@" >.venv/setup.log 2>&1 && return
    tail -n 15 .venv/setup.log >&2
    fail "pip could not install what netlab needs; its last words are above —" \
        "is there a network? A package index that pip can reach is needed once;" \
        "make again goes on from here (all of it: .venv/setup.log)"
}

# What lacks the stamp and bears the mark is half-made, by us; what lacks both is the user's own, and is kept.
set_up_base() {
    if is_fresh .venv/.installed; then return; fi
    [ "$(uname -s)" = Linux ] || [ "$3" = docker ] ||
        fail "labs are made of Linux namespaces, and this is $(uname -s) — use a Linux machine, a virtual one or WSL 2," \
            "or an engine that runs containers: make BACKEND=docker"
    made_in=$(sed -n 's/^MADE_IN := //p' .venv/.place.mk 2>/dev/null) || made_in=
    if [ -e .venv/.unfinished ] || [ "${made_in:-$(pwd)}" != "$(pwd)" ] ||
        ! .venv/bin/python -m pip --version >/dev/null 2>&1; then
        choose_python "$1" "$2"
        echo "Setting up .venv (once, about 30 s) …"
        rm -rf .venv
        mkdir .venv && touch .venv/.unfinished || fail "this directory is not yours to write to: $(pwd)"
        "$python" -m venv .venv >.venv/setup.log 2>&1 || {
            tail -n 15 .venv/setup.log >&2
            fail "$python could not make .venv; its last words are above — is the disk full?"
        }
    else
        echo "Bringing .venv up to date …"
    fi
    pip_install --editable .
    printf 'MADE_IN := %s\n' "$(pwd)" >.venv/.place.mk
    rm -f .venv/.unfinished
    touch .venv/.installed
}

set_up_dev() {
    if is_fresh .venv/.dev && [ -z "$(find .venv/.installed -newer .venv/.dev)" ]; then return; fi
    echo "Installing the test tools (once, about 20 s) …"
    # pip knows dependency groups since 25.1, and this one may be older.
    .venv/bin/python -c 'import tomllib
with open("pyproject.toml", "rb") as file:
    print(*tomllib.load(file)["dependency-groups"]["dev"], sep="\n")' >.venv/dev.txt ||
        fail "pyproject.toml has no dependency group dev"
    pip_install --requirement .venv/dev.txt
    touch .venv/.dev
}

lock
case $1 in
    base) set_up_base "$2" "$3" "$4" ;;
    dev) set_up_dev ;;
esac
endef
