// How a flat buffer of parts (embeddings, blocks, final norm and head) is dealt to ranks: every
// part is cut into equal shards of whole blocks of `block` elements, shard r for rank r. So ranks
// share the work on every part, and a part can be gathered or reduced alone.
//
// Three ways to number elements:
//   global   as in the parameter table and in checkpoints
//   padded   every part is followed by the room that equal shards need: buffers of all elements
//   local    the shards of one rank, one part after the other: what a rank owns
#pragma once

#include <cstddef>
#include <vector>

#include "parallel/layout/virtual_ranks.hpp"

namespace isoflop::parallel {

class PartSharding {
 public:
  /// `blocks`: the parts that are blocks of the model, which passes go through one after the other,
  /// so that they may take turns in memory. The others (embeddings, head) have theirs alone.
  PartSharding(std::vector<Extent> parts, std::size_t ranks, std::size_t block, Extent blocks);

  std::size_t parts() const { return parts_.size(); }
  std::size_t ranks() const { return ranks_; }
  std::size_t block() const { return block_; }

  const Extent& blocks() const { return blocks_; }
  bool is_block(std::size_t part) const { return blocks_.begin <= part && part < blocks_.end; }

  /// Room that any block has in, with padding; and a second one to take turns with, if there are
  /// several blocks.
  std::size_t largest_block() const;
  std::size_t second_block() const { return blocks_.size() > 1 ? largest_block() : 0; }

  /// Global elements of a part.
  const Extent& part(std::size_t part) const { return parts_[part]; }

  /// Elements of each rank's shard of a part; with padding, of the part.
  std::size_t shard(std::size_t part) const { return shards_[part]; }
  std::size_t padded(std::size_t part) const { return ranks_ * shards_[part]; }
  std::size_t largest_shard() const;

  /// Where a part begins in a padded buffer, and its shard in local memory.
  std::size_t padded_begin(std::size_t part) const { return ranks_ * local_begin_[part]; }
  std::size_t local_begin(std::size_t part) const { return local_begin_[part]; }
  std::size_t padded_size() const { return ranks_ * local_size(); }
  std::size_t local_size() const { return local_begin_.back(); }

  /// Global elements of a rank's shard, cut at the part's end (then perhaps empty).
  Extent owned(std::size_t part, std::size_t rank) const;

 private:
  std::vector<Extent> parts_;
  std::size_t ranks_;
  std::size_t block_;
  Extent blocks_;
  std::vector<std::size_t> shards_;
  std::vector<std::size_t> local_begin_;  // one more than parts
};

}  // namespace isoflop::parallel
