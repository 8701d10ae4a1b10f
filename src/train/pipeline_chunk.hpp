// A stage of a rank: for those who define members of Pipeline.
#pragma once

#include <cstddef>
#include <cstdint>

#include "train/pipeline.hpp"

namespace isoflop::train {

template <class T>
struct Pipeline<T>::Chunk {
  static constexpr std::size_t kNone = SIZE_MAX;

  Chunk(const config::RunConfig& config, const Layout& layout, std::size_t chunk,
        ModelPart<T>& part, comm::Communicator* tensor, profile::Profile& profile)
      : stage(layout.stages[chunk]),
        room(room_of(config, layout, chunk)),
        part(part),
        model(config.model, stage, room, model::Mode::training, profile, tensor) {}

  std::size_t slot(std::size_t micro_batch) const { return micro_batch % room.in_flight; }

  model::Stage stage;
  model::Room room;
  ModelPart<T>& part;
  model::Transformer<T> model;
  std::size_t open = kNone;  // virtual rank whose gradient is added up
};

}  // namespace isoflop::train
