// What this processor gives for the products of cases.hpp, by scalar code.
#include <cstdio>

#include "tests/conformance/tile_unit/cases.hpp"

int main() {
  using namespace isoflop::kernels::cpu;
  static Memory memory;
  hash_all(scalar_kernel<isoflop::bf16, float>(), scalar_kernel<isoflop::bf16, isoflop::bf16>(),
           memory, [](const Case& c, std::uint64_t hash) {
             std::printf(
                 "%zu x %zu x %zu, a %d, b %d, accumulate %d, rounded %d, wild %d: %016llx\n",
                 c.rows, c.columns, c.depth, static_cast<int>(c.a), static_cast<int>(c.b),
                 c.accumulate, c.rounded, c.wild, static_cast<unsigned long long>(hash));
           });
}
