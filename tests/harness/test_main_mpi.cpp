// A test under mpirun: refuses a world of another size than registered, prints from every rank,
// fails if any rank failed.
#include <gtest/gtest.h>
#include <mpi.h>

#include <Kokkos_Core.hpp>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

bool world_is_as_registered() {
  int size = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &size);
  const char* expected = std::getenv("ISOFLOP_TEST_RANKS");
  if (expected != nullptr && expected == std::to_string(size)) return true;
  std::fprintf(stderr,
               "this test sees %d ranks, ISOFLOP_TEST_RANKS asks for %s: start it through ctest\n",
               size, expected == nullptr ? "(unset)" : expected);
  return false;
}

}  // namespace

int main(int argc, char** argv) {
  int provided = 0;
  MPI_Init_thread(&argc, &argv, MPI_THREAD_MULTIPLE, &provided);
  ::testing::InitGoogleTest(&argc, argv);
  int failed = 1;
  if (world_is_as_registered()) {
    const Kokkos::ScopeGuard kokkos(Kokkos::InitializationSettings().set_disable_warnings(true));
    failed = RUN_ALL_TESTS();
  }
  int any_failed = 1;
  MPI_Allreduce(&failed, &any_failed, 1, MPI_INT, MPI_MAX,
                MPI_COMM_WORLD);  // every rank gets here, passing or not
  MPI_Finalize();
  return any_failed;
}
