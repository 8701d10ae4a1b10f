# Anything installed wins (Kokkos_ROOT, CMAKE_PREFIX_PATH, /usr/local, ...); what is missing or too old is looked for
# in the private prefix that tools/dependencies.sh makes.
execute_process(COMMAND ${PROJECT_SOURCE_DIR}/tools/dependencies.sh prefix
                OUTPUT_VARIABLE ISOFLOP_PREFIX OUTPUT_STRIP_TRAILING_WHITESPACE COMMAND_ERROR_IS_FATAL ANY)
list(APPEND CMAKE_SYSTEM_PREFIX_PATH ${ISOFLOP_PREFIX})
foreach(package Kokkos dnnl)   # a recipe that changed is another prefix: the cached path is stale
  if(${package}_DIR MATCHES "/isoflop/kokkos-" AND NOT ${package}_DIR MATCHES "^${ISOFLOP_PREFIX}/")
    unset(${package}_DIR CACHE)
  endif()
endforeach()

# isoflop_dependency(package remedy [find_package arguments...]): finds it, or stops with one line that says how to get it.
macro(isoflop_dependency package remedy)
  find_package(${package} ${ARGN} QUIET)
  if(NOT ${package}_FOUND)
    string(JOIN " " needed ${package} ${ARGN})
    message(FATAL_ERROR "${package} is missing (needed: ${needed}): run tools/dependencies.sh, or ${remedy}")
  endif()
endmacro()

isoflop_dependency(Kokkos "install Kokkos >= 4.5 and set Kokkos_ROOT" 4.5 CONFIG)
if(ISOFLOP_BUILD_TESTS)   # for matmul_bench alone, see docs/decisions/0002-matmul.md
  isoflop_dependency(dnnl "install oneDNN 3 and set dnnl_ROOT" 3 CONFIG)
endif()
find_package(MPI QUIET COMPONENTS C)   # without it src/comm/absent answers, and one rank trains
if(NOT MPI_C_FOUND)
  message(WARNING "MPI is missing: this build trains on one rank alone. For more, install libopenmpi-dev, or load your site's MPI module")
endif()
isoflop_dependency(HDF5 "install libhdf5-openmpi-dev, or set HDF5_ROOT" COMPONENTS C)
if(HDF5_IS_PARALLEL AND NOT MPI_C_FOUND)
  message(FATAL_ERROR "this HDF5 needs MPI, which is missing: install libopenmpi-dev, or install libhdf5-dev and set HDF5_ROOT to a serial HDF5")
endif()
isoflop_dependency(tomlplusplus "install libtomlplusplus-dev and set tomlplusplus_ROOT" CONFIG)
isoflop_dependency(nlohmann_json "install nlohmann-json3-dev and set nlohmann_json_ROOT" 3.11 CONFIG)
isoflop_dependency(CLI11 "install libcli11-dev and set CLI11_ROOT" CONFIG)
isoflop_dependency(fmt "install libfmt-dev and set fmt_ROOT" 9 CONFIG)
isoflop_dependency(spdlog "install libspdlog-dev and set spdlog_ROOT" 1.10 CONFIG)
isoflop_dependency(Threads "install a POSIX threads library")
isoflop_dependency(ZLIB "install zlib1g-dev and set ZLIB_ROOT")
find_package(PkgConfig QUIET REQUIRED)
foreach(package libxxhash sentencepiece)   # neither installs a CMake package on Debian 12
  pkg_check_modules(${package} QUIET IMPORTED_TARGET ${package})
  if(NOT ${package}_FOUND)
    message(FATAL_ERROR "${package} is missing: run tools/dependencies.sh, or put its .pc file on PKG_CONFIG_PATH")
  endif()
endforeach()
find_path(RANDOM123_INCLUDE_DIR Random123/philox.h)
if(NOT RANDOM123_INCLUDE_DIR)
  message(FATAL_ERROR "Random123 is missing: run tools/dependencies.sh, or set RANDOM123_INCLUDE_DIR")
endif()
