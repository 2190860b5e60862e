#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Runs the README's lines for a program that uses the installed library: the CMake block and the
# pkg-config line, on the README's own program (examples/lease.cpp).
# Usage: install_lines.sh SOURCE BUILD CXX
set -euo pipefail
source_root=$1 build=$2 cxx=$3

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cmake --install "$build" --prefix "$work/prefix" >"$work/install.log"
cp "$source_root/examples/lease.cpp" "$work/app.cpp"
cd "$work"

{
  printf 'cmake_minimum_required(VERSION 3.25)\nproject(app LANGUAGES CXX)\nadd_executable(app app.cpp)\n'
  # shellcheck disable=SC2016  # the backticks are Markdown's
  sed -n '/^```cmake$/,/^```$/{/^```/!p}' "$source_root/README.md"
} >CMakeLists.txt
grep -q find_package CMakeLists.txt
cmake -S . -B cmake-build -DCMAKE_PREFIX_PATH="$work/prefix" -DCMAKE_CXX_COMPILER="$cxx"
cmake --build cmake-build

line=$(sed -n 's/^\$ g++ \(.*pkg-config.*\)$/\1/p' "$source_root/README.md")
test -n "$line"
PKG_CONFIG_PATH=$(dirname "$(find "$work/prefix" -name workerid-redis.pc)")
export PKG_CONFIG_PATH
eval "$cxx $line -o app"

# Both run as far as they can without a server: they say that there is none.
for program in cmake-build/app ./app; do
  if output=$("$program" redis://127.0.0.1:1 2>&1); then
    echo "$program found a server on port 1"
    exit 1
  fi
  echo "$output"
  grep -q 'unavailable' <<<"$output"
done
