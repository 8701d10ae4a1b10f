include(CTest)
include(GoogleTest)
isoflop_dependency(GTest "install libgtest-dev and set GTest_ROOT")
isoflop_dependency(benchmark "install libbenchmark-dev and set benchmark_ROOT" CONFIG)

# One thread a process: deterministic, and several tests share the machine. Without PMIX_MCA_gds a job that loses a rank may never
# end (docs/parallelism.md). Open MPI as root and sanitizers need the rest.
set(ISOFLOP_TEST_ENVIRONMENT OMP_NUM_THREADS=1 OMP_PROC_BIND=false
  PMIX_MCA_gds=hash OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
  UBSAN_OPTIONS=halt_on_error=1:print_stacktrace=1)

# Sanitized programs take several times as long, and so may their tests and what these allow a command. Leaks are looked for in all
# but commands. Under MPI that needs whole stacks, as Open MPI keeps no frame pointers and leaks.supp names it by its place in
# them; unwinding those makes a program that allocates much ten times slower still, which commands could not bear.
set(ISOFLOP_TEST_PATIENCE 1)
set(ISOFLOP_TEST_ASAN allocator_may_return_null=1)
if(ISOFLOP_SANITIZE)
  set(ISOFLOP_TEST_PATIENCE 5)
  list(APPEND ISOFLOP_TEST_ENVIRONMENT ISOFLOP_TEST_PATIENCE=${ISOFLOP_TEST_PATIENCE} ISOFLOP_TEST_SANITIZED=1
    LSAN_OPTIONS=print_suppressions=0:suppressions=${PROJECT_SOURCE_DIR}/tests/leaks.supp)
endif()

# Points that may not be redistributed; tests that need them are skipped without. The environment variable of this name wins.
find_path(ISOFLOP_EPOCH_DATA svg_extracted_data.csv
  PATHS ENV ISOFLOP_EPOCH_DATA ${PROJECT_SOURCE_DIR}/../shared/data/epoch-chinchilla NO_DEFAULT_PATH
  DOC "folder of svg_extracted_data.csv (Besiroglu et al. 2024)")
set(isoflop_epoch_data ${ISOFLOP_EPOCH_DATA})
if(NOT isoflop_epoch_data)
  set(isoflop_epoch_data "")
endif()

# isoflop_test(NAME source... LIBRARIES target... [RANKS n...] [TIMEOUT seconds] [LABELS label...])
# Without RANKS each GoogleTest case is a ctest case; with RANKS the program runs once under mpirun for each n and
# finds the expected world size in ISOFLOP_TEST_RANKS.
function(isoflop_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "LIBRARIES;RANKS;LABELS")
  add_executable(${name} ${arg_UNPARSED_ARGUMENTS})
  target_link_libraries(${name} PRIVATE ${arg_LIBRARIES} isoflop_options GTest::gtest)
  if(NOT arg_RANKS)
    if(NOT arg_TIMEOUT)
      set(arg_TIMEOUT 120)
    endif()
    math(EXPR timeout "${ISOFLOP_TEST_PATIENCE} * ${arg_TIMEOUT}")
    target_link_libraries(${name} PRIVATE isoflop_test_main)
    # gtest_discover_tests passes on only the first entry of an ENVIRONMENT list, hence a launcher
    set_target_properties(${name} PROPERTIES CROSSCOMPILING_EMULATOR
      "env;${ISOFLOP_TEST_ENVIRONMENT};ASAN_OPTIONS=${ISOFLOP_TEST_ASAN}")
    gtest_discover_tests(${name} DISCOVERY_MODE PRE_TEST DISCOVERY_TIMEOUT 60
      PROPERTIES LABELS "unit;${arg_LABELS}" TIMEOUT ${timeout})
    return()
  endif()
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 180)
  endif()
  math(EXPR timeout "${ISOFLOP_TEST_PATIENCE} * ${arg_TIMEOUT}")
  target_link_libraries(${name} PRIVATE isoflop_test_main_mpi)
  foreach(ranks IN LISTS arg_RANKS)
    add_test(NAME ${name}.${ranks}_ranks
      COMMAND ${MPIEXEC_EXECUTABLE} --oversubscribe ${MPIEXEC_NUMPROC_FLAG} ${ranks} $<TARGET_FILE:${name}>)
    set_tests_properties(${name}.${ranks}_ranks PROPERTIES LABELS "mpi;${arg_LABELS}" TIMEOUT ${timeout} PROCESSORS ${ranks}
      ENVIRONMENT "${ISOFLOP_TEST_ENVIRONMENT};ISOFLOP_TEST_RANKS=${ranks};ASAN_OPTIONS=${ISOFLOP_TEST_ASAN}:fast_unwind_on_malloc=0")
  endforeach()
endfunction()

# isoflop_command_test(NAME COMMAND argument... [TIMEOUT seconds] [LABELS label...]): a script or program that exits with 0.
function(isoflop_command_test name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "TIMEOUT" "COMMAND;LABELS")
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 120)
  endif()
  math(EXPR timeout "${ISOFLOP_TEST_PATIENCE} * ${arg_TIMEOUT}")
  add_test(NAME ${name} COMMAND ${arg_COMMAND})
  set_tests_properties(${name} PROPERTIES LABELS "${arg_LABELS}" TIMEOUT ${timeout}
    ENVIRONMENT "${ISOFLOP_TEST_ENVIRONMENT};ISOFLOP_BINARY=$<TARGET_FILE:isoflop>;ASAN_OPTIONS=${ISOFLOP_TEST_ASAN}:detect_leaks=0")
endfunction()
