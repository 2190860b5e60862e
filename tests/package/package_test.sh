#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Looks at workerid from outside, as the projects that use it do. Each test is a function below; ctest
# runs `package_test.sh NAME` with the variables that CMakeLists.txt sets:
#   SOURCE_DIR, BINARY_DIR   of workerid       LIBDIR   where libraries are below a prefix
#   WORK_DIR                 ours              PARTS    what is built: static or shared, sqlite, …
#   CXX, CMAKE_BUILD_TYPE    for every build here
set -euo pipefail

prefix=$WORK_DIR/prefix
consumer=$SOURCE_DIR/tests/package/consumer

fail() {
  printf 'FAILED: %s\n' "$*" >&2
  exit 1
}

# expect_text FILE TEXT: the file has the text, however its lines are broken.
expect_text() {
  tr -s ' \n' ' ' <"$1" | grep --quiet --fixed-strings -- "$2" ||
    fail "expected '$2' in:" "$(cat "$1")"
}

# fresh NAME: makes an empty directory for this test and prints its path.
fresh() {
  rm -rf "${WORK_DIR:?}/$1"
  mkdir -p "$WORK_DIR/$1"
  echo "$WORK_DIR/$1"
}

has_part() { [[ " $PARTS " == *" $1 "* ]]; }

# The components of this build, as a CMake list.
components() {
  local list=testing part
  for part in sqlite redis; do
    if has_part $part; then list="$list;$part"; fi
  done
  echo "$list"
}

# run_consumer DIRECTORY: runs every program that was built there.
run_consumer() {
  local program argument
  for program in "$1"/use_*; do
    case $program in
      */use_sqlite) argument=$1/workerid.db ;;
      */use_redis) argument=redis://127.0.0.1:1 ;;  # Nobody listens on port 1.
      *) argument= ;;
    esac
    "$program" ${argument:+"$argument"} || fail "$program returned $?"
  done
}

# configure_consumer DIRECTORY OPTION…: configures the outside project there.
configure_consumer() {
  local directory=$1
  shift
  cmake -S "$consumer" -B "$directory" -DCONSUMER_COMPONENTS="$(components)" "$@"
}

# use_by_find_package NAME PREFIX
use_by_find_package() {
  local build
  build=$(fresh "$1")
  configure_consumer "$build" -DCMAKE_PREFIX_PATH="$2"
  cmake --build "$build"
  run_consumer "$build"
}

# use_by_pkg_config NAME PREFIX: a plain compiler line for each part.
use_by_pkg_config() {
  local build part package flags
  build=$(fresh "$1")
  export PKG_CONFIG_PATH=$2/$LIBDIR/pkgconfig
  for part in workerid $(components | tr ';' ' '); do
    package=workerid-$part
    if [ "$part" = workerid ]; then package=workerid; fi
    read -ra flags <<<"$(pkg-config --cflags --libs "$package")"
    "$CXX" -std=c++20 "$consumer/use_$part.cpp" "${flags[@]}" -Wl,-rpath,"$2/$LIBDIR" \
      -o "$build/use_$part"
  done
  run_consumer "$build"
}

# expect_files PREFIX PART…: what is installed is what installed_files.txt says of these parts.
expect_files() {
  local root=$1
  shift
  awk -v parts=" $* " '
    /^(#|$)/ { next }
    { wanted = 1; count = split($1, needs, "+")
      for (i = 1; i <= count; i++) if (!index(parts, " " needs[i] " ")) wanted = 0
      if (wanted) print $2 }' "$SOURCE_DIR/tests/package/installed_files.txt" |
    sed "s|^lib/|$LIBDIR/|" | sort >"$root.expected"
  # The name of CMake's file of a configuration contains the configuration.
  (cd "$root" && find . ! -type d -printf '%P\n' |
    sed -E 's|(-targets)-[a-z]+\.cmake$|\1-CONFIGURATION.cmake|' | sort) >"$root.found"
  diff -u "$root.expected" "$root.found" || fail "these files differ from installed_files.txt"
}

# Installs for the tests that follow, and moves the result: nothing in it may know where it was.
test_install() {
  local first
  first=$(fresh first)
  rm -rf "$prefix"
  cmake --install "$BINARY_DIR" --prefix "$first"
  mv "$first" "$prefix"
}

test_installed_files() {
  # shellcheck disable=SC2086  # A list of words.
  expect_files "$prefix" core $PARTS
}

test_relocatable() {
  local hits
  hits=$(grep -rnF -e "$SOURCE_DIR/" -e "$BINARY_DIR" -e "$WORK_DIR" \
    "$prefix/$LIBDIR/cmake" "$prefix/$LIBDIR/pkgconfig" "$prefix/include" || true)
  if [ -n "$hits" ]; then fail "these lines name a directory of the build:" "$hits"; fi
}

# elf_files DIRECTORY: the programs and shared libraries that the build made there.
elf_files() {
  find "$1" -path "$WORK_DIR" -prune -o -path '*/CMakeFiles/*' -prune -o \
    -type f \( -perm /111 -o -name '*.so*' \) -exec sh -c \
    'head -c 4 "$1" | grep --quiet ELF && echo "$1"' sh {} \;
}

# expect_hardened FILE SYMBOL…: nothing is looked for in the current directory, all symbols are bound
# at the start, and the symbols show that the compiler had the flags.
expect_hardened() {
  local file=$1 symbol
  shift
  readelf --wide --dynamic "$file" >"$WORK_DIR/dynamic"
  grep --quiet 'FLAGS_1.*NOW' "$WORK_DIR/dynamic" || fail "$file binds its symbols late"
  readelf --wide --program-headers "$file" | grep --quiet GNU_RELRO || fail "$file has no RELRO"
  nm --dynamic --undefined-only "$file" >"$WORK_DIR/symbols"
  for symbol; do
    grep --quiet --extended-regexp "$symbol" "$WORK_DIR/symbols" || fail "$file does not use $symbol"
  done
}

# expect_run_path FILE: it names no folder that somebody else may write to.
expect_run_path() {
  local path
  path=$(readelf --wide --dynamic "$1" | sed -nE 's/.*\((RUNPATH|RPATH)\).*\[(.*)\]/\2/p')
  [ -z "$path" ] && return
  if grep --quiet --extended-regexp '^:|::|:$' <<<"$path"; then fail "$1 has the run path '$path'"; fi
  if tr ':' '\n' <<<"$path" | grep --invert-match '^[/$]'; then fail "$1 has the run path '$path'"; fi
}

guarded_symbols='__stack_chk_fail __glibcxx_assert_fail'

test_hardened() {
  local file count=0
  while read -r file; do
    expect_run_path "$file"
    count=$((count + 1))
  done < <(elf_files "$BINARY_DIR" && elf_files "$prefix")
  [ "$count" -gt 10 ] || fail "only $count files were found"
  if ! has_part tool; then return; fi
  for file in "$BINARY_DIR/workerid" "$prefix/bin/workerid"; do
    # shellcheck disable=SC2086  # A list of words.
    expect_hardened "$file" $guarded_symbols '_chk(@|$)'
    readelf --file-header "$file" | grep --quiet 'DYN (Position-Independent Executable' ||
      fail "$file is not position-independent"
  done
  if [ "$(uname -m)" = x86_64 ] && has_part static; then
    readelf --notes "$prefix/$LIBDIR/libworkerid.a" >"$WORK_DIR/notes" 2>&1
    grep --quiet 'IBT, SHSTK' "$WORK_DIR/notes" || fail "libworkerid.a has no control-flow protection"
  fi
}

# The planted library of the current directory is not loaded.
test_current_directory() {
  local build library
  if ! has_part tool || ! has_part redis; then return; fi
  build=$(fresh current_directory)
  library=$(ldd "$BINARY_DIR/workerid" | awk '/libhiredis/ { print $1; exit }')
  [ -n "$library" ] || fail "the tool does not use hiredis"
  echo 'not a library' >"$build/$library"
  (cd "$build" && "$BINARY_DIR/workerid" --version) || fail "$library was looked for in $build"
}

test_demo() { "$SOURCE_DIR/scripts/demo" --tool "$prefix/bin/workerid"; }

test_find_package() { use_by_find_package find_package "$prefix"; }

test_pkg_config() { use_by_pkg_config pkg_config "$prefix"; }

test_subdirectory() {
  local build
  build=$(fresh subdirectory)
  configure_consumer "$build" -DCONSUMER_MODE=subdirectory -DCONSUMER_WORKERID_SOURCE="$SOURCE_DIR"
  cmake --build "$build"
  run_consumer "$build"

  # Our warnings are ours, our tool and tests are not built, and nothing of ours is installed.
  grep '"command"' "$build/compile_commands.json" | grep --fixed-strings use_ >"$build/commands"
  if grep -e ' -W' -e sanitize "$build/commands"; then fail "our flags reached the consumer"; fi
  if [ -e "$build/workerid/workerid" ]; then fail "the tool was built"; fi
  if [ -e "$build/workerid/tests" ]; then fail "the tests were configured"; fi
  cmake --install "$build" --prefix "$build/installed"
  if [ -e "$build/installed/include" ]; then fail "workerid was installed with the consumer"; fi
}

test_fetch_content() {
  local build
  build=$(fresh fetch_content)
  configure_consumer "$build" -DCONSUMER_MODE=fetch -DCONSUMER_WORKERID_SOURCE="$SOURCE_DIR"
}

# configure_workerid DIRECTORY OPTION…: another build of workerid itself, of the libraries alone.
configure_workerid() {
  local directory=$1
  shift
  cmake -S "$SOURCE_DIR" -B "$directory" -DWORKERID_TESTS=OFF -DWORKERID_TOOL=OFF "$@"
}

test_shared_libraries() {
  local build
  build=$(fresh shared)
  configure_workerid "$build/build" -DBUILD_SHARED_LIBS=ON
  cmake --build "$build/build"
  cmake --install "$build/build" --prefix "$build/first"
  mv "$build/first" "$build/prefix"
  # shellcheck disable=SC2046  # A list of words.
  expect_files "$build/prefix" core shared $(components | tr ';' ' ')
  local file
  while read -r file; do
    expect_run_path "$file"
    expect_hardened "$file"
  done < <(elf_files "$build/build" && elf_files "$build/prefix")
  # The others are too small; and without optimisation, as here, _FORTIFY_SOURCE does nothing.
  # shellcheck disable=SC2086  # A list of words.
  expect_hardened "$build/prefix/$LIBDIR/libworkerid.so" $guarded_symbols

  # A shared library brings along what it uses: its users need not have it.
  use_by_find_package shared/find_package "$build/prefix"
  if grep -i hiredis "$build/find_package/CMakeCache.txt"; then fail "hiredis was looked for"; fi
  use_by_pkg_config shared/pkg_config "$build/prefix"
}

test_core_alone() {
  local build
  build=$(fresh core_alone)
  configure_workerid "$build/build" -DWORKERID_SQLITE=OFF \
    -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON >"$build/log" 2>&1
  expect_text "$build/log" "the REDIS store is left out: hiredis and OpenSSL"
  cmake --build "$build/build"
  cmake --install "$build/build" --prefix "$build/prefix"
  expect_files "$build/prefix" core static

  PARTS='static' use_by_find_package core_alone/find_package "$build/prefix"
  expect_not_found "$build/not_found" "there is no component 'redis'; this installation has: testing" \
    -DCMAKE_PREFIX_PATH="$build/prefix" -DCONSUMER_COMPONENTS=redis
}

# expect_not_found DIRECTORY TEXT OPTION…: configuring the outside project fails, and says TEXT.
expect_not_found() {
  local directory=$1 text=$2
  shift 2
  mkdir -p "$directory"
  if configure_consumer "$directory" "$@" >"$directory/log" 2>&1; then
    fail "configured with $*"
  fi
  expect_text "$directory/log" "$text"
}

test_missing_component() {
  local build
  build=$(fresh missing_component)
  expect_not_found "$build" "there is no component 'postgres'; this installation has:" \
    -DCMAKE_PREFIX_PATH="$prefix" -DCONSUMER_COMPONENTS=postgres
}

test_missing_dependency() {
  local build
  build=$(fresh missing_dependency)
  expect_not_found "$build/sqlite" "the component 'sqlite' needs SQLite 3.35 (Debian: libsqlite3-dev)" \
    -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_DISABLE_FIND_PACKAGE_SQLite3=ON
  expect_not_found "$build/redis" "the component 'redis' needs hiredis and OpenSSL" \
    -DCMAKE_PREFIX_PATH="$prefix" -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON
  # The others need neither.
  configure_consumer "$build/testing" -DCMAKE_PREFIX_PATH="$prefix" -DCONSUMER_COMPONENTS=testing \
    -DCMAKE_DISABLE_FIND_PACKAGE_SQLite3=ON -DCMAKE_DISABLE_FIND_PACKAGE_OpenSSL=ON
}

test_store_asked_for_by_name() {
  local build store package
  build=$(fresh store_asked_for_by_name)
  for store in REDIS:OpenSSL SQLITE:SQLite3; do
    package=${store#*:}
    store=${store%:*}
    if configure_workerid "$build/$store" -DWORKERID_"$store"=ON \
      -DCMAKE_DISABLE_FIND_PACKAGE_"$package"=ON >"$build/log" 2>&1; then
      fail "configured without $package"
    fi
    expect_text "$build/log" "WORKERID_$store=ON, but"
    expect_text "$build/log" "was not found"
  done
}

test_version() {
  local build version
  build=$(fresh version)
  cat >"$build/CMakeLists.txt" <<'END'
cmake_minimum_required(VERSION 3.25)
project(version LANGUAGES CXX)
find_package(workerid ${WANTED} REQUIRED)
END
  cmake -S "$build" -B "$build/0.1" -DWANTED=0.1 -DCMAKE_PREFIX_PATH="$prefix"
  for version in 0.0 0.2 1.0; do
    if cmake -S "$build" -B "$build/$version" -DWANTED=$version -DCMAKE_PREFIX_PATH="$prefix" \
      >"$build/log" 2>&1; then
      fail "accepted where $version was wanted"
    fi
    expect_text "$build/log" 'compatible with requested version'
  done
}

strict="-std=c++20 -fsyntax-only -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror"

# Every header stands alone, and all of them together, in both orders, twice.
test_headers() {
  local directory header
  directory=$(fresh "headers-$(basename "$CXX")")
  (cd "$prefix/include" && find workerid -name '*.hpp' | sort) >"$directory/headers"
  while read -r header; do
    echo "#include <$header>" >"$directory/alone.cpp"
    # shellcheck disable=SC2086  # A list of flags.
    "$CXX" $strict -I"$prefix/include" "$directory/alone.cpp" || fail "<$header> does not stand alone"
  done <"$directory/headers"
  cat "$directory/headers" <(tac "$directory/headers") | sed 's/.*/#include <&>/' >"$directory/all.cpp"
  # shellcheck disable=SC2086
  "$CXX" $strict -I"$prefix/include" "$directory/all.cpp"
}

test_must_not_compile() {
  local source=$SOURCE_DIR/tests/package/must_not_compile.cpp cases name reason errors
  # shellcheck disable=SC2086
  "$CXX" $strict -I"$prefix/include" "$source" || fail "it does not even compile without a case"
  cases=$(awk '/defined\(CASE_/ { gsub(/.*\(|\).*/, ""); name = $0 }
    /\/\/ error: / { sub(/.*error: /, ""); print name, $0 }' "$source")
  [ "$(wc -l <<<"$cases")" = "$(grep -c CASE_ "$source")" ] || fail "a case has no reason"
  while read -r name reason; do
    # shellcheck disable=SC2086
    if errors=$("$CXX" $strict -Wno-error -I"$prefix/include" "-D$name" "$source" 2>&1); then
      fail "$name compiles"
    fi
    grep --quiet --extended-regexp "error: .*($reason)" <<<"$errors" ||
      fail "$name is refused for another reason than '$reason':" "$errors"
  done <<<"$cases"
}

test_no_third_party_include() {
  local hits
  # Standard headers have neither a directory nor a suffix.
  hits=$(grep -rnE '^ *# *include' "$SOURCE_DIR/include" |
    grep -vE 'include <(workerid/[a-z_/]+\.hpp|[a-z_]+)>' || true)
  if [ -n "$hits" ]; then fail "public headers include only the standard library's:" "$hits"; fi
}

# The project's own files, as a list for grep.
sources() {
  find "$SOURCE_DIR" \( -name .git -o -name build -o -name .cache \) -prune -o -type f -print0
}

test_no_developer_paths() {
  local hits
  hits=$(sources | xargs -0 grep -nIE '(^|[^a-z.$}])/(hom[e]/[a-z]|Users/|root/|wor[k]/)|\.\./share[d]' || true)
  if [ -n "$hits" ]; then fail "these lines name a path of somebody's machine:" "$hits"; fi
}

test_licence_lines() {
  local file
  while IFS= read -r -d '' file; do
    case $file in
      *.cpp | *.hpp | *.hpp.in | *.lua | *.sql | *.sh | */scripts/* | */.ci/*) ;;
      *) continue ;;
    esac
    head -n 3 "$file" | grep --quiet 'SPDX-License-Identifier: MIT' || fail "$file has no SPDX line"
  done < <(sources)
}

test_"$1"
