#!/usr/bin/env bash
# Counts the instructions of a fork with callgrind: the difference in instructions between fib(22)
# and fib(16), divided by the difference in forks. Needs valgrind. chili's number is slightly too
# high, since its heartbeat runs in real time, and valgrind is slow.
set -euo pipefail
cd "$(dirname "$0")/.."

small=16
large=22
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

bench=$(cargo bench --quiet --bench instructions --no-run --message-format=json |
    sed -n 's/.*"name":"instructions".*"executable":"\([^"]*\)".*/\1/p')

# instructions WHO N: prints how many instructions the whole run with fib(N) takes.
instructions() {
    valgrind --tool=callgrind --callgrind-out-file="$scratch/out" \
        "$bench" "$1" "$2" >"$scratch/forks" 2>"$scratch/log"
    sed -n 's/^summary: \([0-9]*\).*/\1/p' "$scratch/out"
}

# per_fork WHO: prints the instructions of a fork, in hundredths.
per_fork() {
    local few many few_forks many_forks
    few=$(instructions "$1" "$small")
    few_forks=$(cat "$scratch/forks")
    many=$(instructions "$1" "$large")
    many_forks=$(cat "$scratch/forks")
    echo $(((many - few) * 100 / (many_forks - few_forks)))
}

plain=$(per_fork plain)
printf '| %-8s | %18s | %18s |\n' 'library' 'instructions/fork' 'more than plain'
printf '| %-8s | %18s | %18s |\n' '---' '---:' '---:'
for who in plain filch rayon chili; do
    all=$(per_fork "$who")
    more=$((all - plain))
    printf '| %-8s | %15d.%02d | %15d.%02d |\n' "$who" \
        $((all / 100)) $((all % 100)) $((more / 100)) $((more % 100))
done
