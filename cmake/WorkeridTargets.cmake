# What every target of this project is compiled with. Nothing here reaches a consumer.
include(CheckCXXCompilerFlag)
include(CheckPIESupported)
find_package(Threads REQUIRED)
check_pie_supported()
check_cxx_compiler_flag(-fcf-protection WORKERID_CF_PROTECTION)

add_library(workerid_private_flags INTERFACE)
target_compile_options(workerid_private_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough
  # g++ 12 sees one in sums of strings (its bug 105651); AddressSanitizer sees those that are.
  $<$<CXX_COMPILER_ID:GNU>:-Wno-array-bounds>
  $<$<BOOL:${WORKERID_WERROR}>:-Werror>)
# As Debian hardens what it builds, and the assertions of the standard library. The sanitizers see
# more than all of it, and _FORTIFY_SOURCE works in optimised code alone.
if(NOT WORKERID_SANITIZE)
  target_compile_options(workerid_private_flags INTERFACE
    -fstack-protector-strong $<$<BOOL:${WORKERID_CF_PROTECTION}>:-fcf-protection>
    -D_GLIBCXX_ASSERTIONS
    $<$<CONFIG:Release,RelWithDebInfo,MinSizeRel>:-U_FORTIFY_SOURCE$<SEMICOLON>-D_FORTIFY_SOURCE=2>)
else()
  target_compile_options(workerid_private_flags INTERFACE
    -fsanitize=${WORKERID_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(workerid_private_flags INTERFACE -fsanitize=${WORKERID_SANITIZE})
endif()

# workerid_harden_link(<target>): its symbols are bound at the start and cannot be changed then.
function(workerid_harden_link target)
  get_target_property(type ${target} TYPE)
  if(NOT type STREQUAL "STATIC_LIBRARY")
    target_link_options(${target} PRIVATE LINKER:-z,relro,-z,now)
  endif()
endfunction()

# workerid_compile_together(<target>): eight files at once take a third of the time of each alone. The
# preset clang does without: there a missing #include is seen.
function(workerid_compile_together target)
  if(WORKERID_SANITIZE OR CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_BATCH_SIZE 8)
  endif()
endfunction()

# workerid_fuzzed(<target>): where there are fuzz targets, they see which of its code an input reaches.
function(workerid_fuzzed target)
  if(WORKERID_FUZZ)
    target_compile_options(${target} PRIVATE -fsanitize=fuzzer-no-link)
  endif()
endfunction()

# Programs and shared libraries lie in the build directory as in an installation, so that one run path
# serves both. CMake would end another one for the build with an empty element, which is the current
# directory.
set(WORKERID_BUILD_LIBDIR "${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_LIBDIR}")
set(WORKERID_BUILD_BINDIR "${PROJECT_BINARY_DIR}/${CMAKE_INSTALL_BINDIR}")

# workerid_library(<name> SOURCES … [LINK_PRIVATE …]): one installed library, as workerid::<suffix>.
function(workerid_library name)
  cmake_parse_arguments(ARG "" "EXPORT_NAME" "SOURCES;LINK_PUBLIC;LINK_PRIVATE" ${ARGN})
  add_library(${name} ${ARG_SOURCES})
  add_library(workerid::${ARG_EXPORT_NAME} ALIAS ${name})
  target_compile_features(${name} PUBLIC cxx_std_20)
  target_include_directories(${name}
    PUBLIC
      $<BUILD_INTERFACE:${PROJECT_SOURCE_DIR}/include>
      $<BUILD_INTERFACE:${PROJECT_BINARY_DIR}/include>
      $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>
    PRIVATE ${PROJECT_SOURCE_DIR}/src)
  target_link_libraries(${name}
    PUBLIC ${ARG_LINK_PUBLIC}
    PRIVATE ${ARG_LINK_PRIVATE} $<BUILD_INTERFACE:workerid_private_flags>)
  set_target_properties(${name} PROPERTIES
    EXPORT_NAME ${ARG_EXPORT_NAME}
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}.${PROJECT_VERSION_MINOR}
    CXX_EXTENSIONS OFF
    POSITION_INDEPENDENT_CODE ON
    LIBRARY_OUTPUT_DIRECTORY "${WORKERID_BUILD_LIBDIR}"
    INSTALL_RPATH "$ORIGIN"
    BUILD_WITH_INSTALL_RPATH ON)
  workerid_harden_link(${name})
  workerid_fuzzed(${name})
  if(WORKERID_FUZZ)
    target_compile_options(${name} PRIVATE -O1)
  endif()
endfunction()
