# What `cmake --install` puts where, and what find_package and pkg-config find there. Each library
# has an export file of its own, so that a program without hiredis can use the core.
include(CMakePackageConfigHelpers)

set(workerid_package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/workerid")
set(workerid_pkgconfig_dir "${CMAKE_INSTALL_LIBDIR}/pkgconfig")

# pkg-config files find their prefix from where they are, so an installed tree can be moved; unless
# whoever packages it fixed a directory by an absolute path.
if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}" OR IS_ABSOLUTE "${CMAKE_INSTALL_INCLUDEDIR}")
  set(WORKERID_PC_PREFIX "${CMAKE_INSTALL_PREFIX}")
  set(WORKERID_PC_INCLUDEDIR "${CMAKE_INSTALL_FULL_INCLUDEDIR}")
  set(WORKERID_PC_LIBDIR "${CMAKE_INSTALL_FULL_LIBDIR}")
else()
  string(REGEX REPLACE "[^/]+" ".." up "${workerid_pkgconfig_dir}")
  set(WORKERID_PC_PREFIX "\${pcfiledir}/${up}")
  set(WORKERID_PC_INCLUDEDIR "\${prefix}/${CMAKE_INSTALL_INCLUDEDIR}")
  set(WORKERID_PC_LIBDIR "\${prefix}/${CMAKE_INSTALL_LIBDIR}")
endif()

# workerid_install_library(<target> DESCRIPTION … [REQUIRES pkg-config modules it shows to its users]
# [REQUIRES_STATIC those that only its archive needs]): the library and both kinds of package files.
function(workerid_install_library target)
  cmake_parse_arguments(ARG "" "DESCRIPTION" "REQUIRES;REQUIRES_STATIC" ${ARGN})
  string(REPLACE "_" "-" package "${target}")
  install(TARGETS ${target} EXPORT ${package}
    LIBRARY COMPONENT runtime NAMELINK_COMPONENT development
    ARCHIVE COMPONENT development)
  install(EXPORT ${package} NAMESPACE workerid:: FILE ${package}-targets.cmake
    DESTINATION "${workerid_package_dir}" COMPONENT development)

  get_target_property(type ${target} TYPE)
  if(type STREQUAL "STATIC_LIBRARY")
    list(APPEND ARG_REQUIRES ${ARG_REQUIRES_STATIC})
  endif()
  list(JOIN ARG_REQUIRES ", " WORKERID_PC_REQUIRES)
  set(WORKERID_PC_NAME "${package}")
  set(WORKERID_PC_DESCRIPTION "${ARG_DESCRIPTION}")
  set(WORKERID_PC_LIBRARY "${target}")
  configure_file("${PROJECT_SOURCE_DIR}/cmake/workerid.pc.in"
    "${PROJECT_BINARY_DIR}/${package}.pc" @ONLY)
  install(FILES "${PROJECT_BINARY_DIR}/${package}.pc"
    DESTINATION "${workerid_pkgconfig_dir}" COMPONENT development)
endfunction()

foreach(component IN ITEMS runtime development tool)
  install(FILES "${PROJECT_SOURCE_DIR}/LICENSE"
    DESTINATION "${CMAKE_INSTALL_DOCDIR}" COMPONENT ${component})
endforeach()

set(WORKERID_COMPONENTS testing)
set(not_built)
workerid_install_library(workerid DESCRIPTION "${PROJECT_DESCRIPTION}")
workerid_install_library(workerid_testing
  DESCRIPTION "Test kit of workerid: a manual clock, a store with faults, the store conformance suite"
  REQUIRES "workerid = ${PROJECT_VERSION}")
if(WORKERID_HAVE_SQLITE)
  list(APPEND WORKERID_COMPONENTS sqlite)
  workerid_install_library(workerid_sqlite
    DESCRIPTION "The store of workerid for all processes of one machine, on SQLite"
    REQUIRES "workerid = ${PROJECT_VERSION}" REQUIRES_STATIC "sqlite3 >= 3.35")
else()
  list(APPEND not_built PATTERN sqlite_store.hpp EXCLUDE)
endif()
if(WORKERID_HAVE_REDIS)
  list(APPEND WORKERID_COMPONENTS redis)
  workerid_install_library(workerid_redis
    DESCRIPTION "The distributed store of workerid, on Redis"
    REQUIRES "workerid = ${PROJECT_VERSION}" REQUIRES_STATIC hiredis openssl)
else()
  list(APPEND not_built PATTERN redis_store.hpp EXCLUDE)
endif()

install(DIRECTORY "${PROJECT_SOURCE_DIR}/include/workerid" "${PROJECT_BINARY_DIR}/include/workerid"
  DESTINATION "${CMAKE_INSTALL_INCLUDEDIR}" COMPONENT development
  FILES_MATCHING PATTERN "*.hpp" ${not_built})

list(SORT WORKERID_COMPONENTS)
get_target_property(WORKERID_LIBRARY_TYPE workerid TYPE)
configure_package_config_file("${PROJECT_SOURCE_DIR}/cmake/workeridConfig.cmake.in"
  "${PROJECT_BINARY_DIR}/workeridConfig.cmake"
  INSTALL_DESTINATION "${workerid_package_dir}"
  NO_SET_AND_CHECK_MACRO)
# While the major version is 0, a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/workeridConfigVersion.cmake"
  COMPATIBILITY SameMinorVersion)
install(FILES
    "${PROJECT_BINARY_DIR}/workeridConfig.cmake"
    "${PROJECT_BINARY_DIR}/workeridConfigVersion.cmake"
  DESTINATION "${workerid_package_dir}" COMPONENT development)
