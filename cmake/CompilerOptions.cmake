# isoflop_options: what every target of the project compiles with.
add_library(isoflop_options INTERFACE)
target_compile_options(isoflop_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wpedantic
  -ffp-contract=off>)   # the same bits at every instruction set level
target_include_directories(isoflop_options INTERFACE ${PROJECT_SOURCE_DIR} ${PROJECT_SOURCE_DIR}/src)
target_include_directories(isoflop_options SYSTEM INTERFACE ${RANDOM123_INCLUDE_DIR})
target_compile_definitions(isoflop_options INTERFACE OMPI_SKIP_MPICXX)   # Open MPI's C++ bindings are gone
target_link_libraries(isoflop_options INTERFACE fmt::fmt)
if(ISOFLOP_WERROR)
  target_compile_options(isoflop_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-Werror>)
endif()
if(ISOFLOP_NATIVE)
  target_compile_options(isoflop_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-march=native>)
endif()
if(ISOFLOP_FUZZ)
  target_compile_options(isoflop_options INTERFACE $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=fuzzer-no-link>)
endif()
if(ISOFLOP_SANITIZE)
  target_compile_options(isoflop_options INTERFACE
    $<$<COMPILE_LANGUAGE:CXX>:-fsanitize=${ISOFLOP_SANITIZE} -fno-omit-frame-pointer>)
  target_link_options(isoflop_options INTERFACE -fsanitize=${ISOFLOP_SANITIZE})
endif()
