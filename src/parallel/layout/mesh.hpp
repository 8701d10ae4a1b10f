// The ranks of a job as a mesh of data x tensor x pipeline: pure arithmetic, no communication.
//
// Tensor-parallel ranks are neighbours, data-parallel replicas come next, and pipeline stages are
// farthest apart; docs/decisions/0008-order-of-ranks.md says why.
//
//   rank = tensor + T * (data + D * pipeline)
//
//   comm::Communicator replicas = world.group("data", mesh.color(rank, Axis::data));
#pragma once

#include <cstddef>
#include <vector>

namespace isoflop::parallel {

enum class Axis { tensor, data, pipeline };

struct Coordinates {
  std::size_t tensor = 0;
  std::size_t data = 0;
  std::size_t pipeline = 0;

  bool operator==(const Coordinates&) const = default;
};

struct Mesh {
  std::size_t tensor = 1;
  std::size_t data = 1;
  std::size_t pipeline = 1;

  std::size_t size() const { return tensor * data * pipeline; }
  bool operator==(const Mesh&) const = default;

  std::size_t rank_of(const Coordinates& at) const {
    return at.tensor + tensor * (at.data + data * at.pipeline);
  }
  Coordinates coordinates_of(std::size_t rank) const {
    return {rank % tensor, rank / tensor % data, rank / (tensor * data)};
  }

  /// The ranks that differ from `rank` along `axis` alone, itself included, in the axis's order.
  std::vector<std::size_t> line(std::size_t rank, Axis axis) const;

  /// A number that the ranks of a line have in common and no other rank has.
  int color(std::size_t rank, Axis axis) const {
    return static_cast<int>(line(rank, axis).front());
  }
};

}  // namespace isoflop::parallel
