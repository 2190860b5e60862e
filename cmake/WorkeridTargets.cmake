# What every target of this project is compiled with. Nothing here reaches a consumer.
find_package(Threads REQUIRED)

add_library(workerid_private_flags INTERFACE)
target_compile_options(workerid_private_flags INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wimplicit-fallthrough
  $<$<BOOL:${WORKERID_WERROR}>:-Werror>)
if(WORKERID_SANITIZE)
  target_compile_options(workerid_private_flags INTERFACE
    -fsanitize=${WORKERID_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  target_link_options(workerid_private_flags INTERFACE -fsanitize=${WORKERID_SANITIZE})
endif()

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
    POSITION_INDEPENDENT_CODE ON)
endfunction()
