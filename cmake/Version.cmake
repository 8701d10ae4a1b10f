# core/version.cpp gets the version and, at every build, the commit (with "+" when the tree differs from it).
set(ISOFLOP_VERSION_SOURCE ${PROJECT_BINARY_DIR}/generated/version.cpp)
add_custom_target(isoflop_version_source BYPRODUCTS ${ISOFLOP_VERSION_SOURCE}
  COMMAND ${CMAKE_COMMAND} -DSOURCE_DIR=${PROJECT_SOURCE_DIR} -DVERSION=${PROJECT_VERSION}
          -DTEMPLATE=${PROJECT_SOURCE_DIR}/cmake/version.cpp.in -DOUTPUT=${ISOFLOP_VERSION_SOURCE}
          -P ${PROJECT_SOURCE_DIR}/cmake/StampVersion.cmake)
