// The arithmetic of attention on bf16: block products, which run on the tile unit where there is
// one and give its bits elsewhere. Weights and their gradients are rounded to bf16.
#pragma once

#include <algorithm>
#include <cstddef>

#include "kernels/cpu/attention_engine.hpp"
#include "kernels/cpu/block_product.hpp"

namespace isoflop::kernels::cpu {

class TileEngine {
 public:
  using Product = BlockProduct<bf16, float>;
  struct Left : Operand<bf16> {
    Left at(std::size_t i, std::size_t k) const { return {from(i, k)}; }
  };
  /// Packed for one product: has no parts.
  struct Right {
    const std::byte* data;
    Right at(std::size_t, std::size_t) const { return *this; }
  };
  static constexpr std::size_t kPadding = kDepthStep, kDepthPadding = kDepthStep, kStrip = kBlock;

  TileEngine(Arena& arena, const HeadExtent& extent)
      : kernel_(block_kernel<bf16, float>(best_instruction_set())) {
    const std::size_t widest = std::max(kBlock, extent.channels());
    scratch_ = arena.take<std::byte>(kernel_.scratch_bytes(widest, widest));
  }

  std::size_t packed_bytes(std::size_t columns, std::size_t depth) const {
    return round_up(kernel_.packed_bytes(columns, depth), 64);
  }

  void pack(std::size_t columns, std::size_t depth, Operand<bf16> b, std::byte* packed) const {
    const Product product{0, columns, depth, {}, b, nullptr, 0, false};
    kernel_.pack(product, packed);
  }

  void multiply(std::size_t rows, std::size_t columns, std::size_t depth, Left a, Right b, Target c,
                bool accumulate) const {
    const Product product{rows, columns, depth, a, {}, c.data, c.row, accumulate};
    kernel_.multiply(product, b.data, scratch_);
  }

  class Tensor {
   public:
    Tensor(const TileEngine& engine, Arena& arena, const HeadExtent& extent, unsigned uses)
        : engine_(engine), extent_(extent) {
      const std::size_t size = extent.tokens() * extent.channels();
      if ((uses & ~kLeftTransposed) != 0) rows_ = arena.take<bf16>(size);
      if ((uses & kLeftTransposed) != 0) transposed_ = arena.take<bf16>(size);
      block_bytes_ = std::max(engine.packed_bytes(kBlock, extent.channels()),
                              engine.packed_bytes(extent.channels(), kBlock));
      const std::size_t packed = extent.blocks() * block_bytes_;
      if ((uses & kRightRows) != 0) right_rows_ = arena.take<std::byte>(packed);
      if ((uses & kRightColumns) != 0) right_columns_ = arena.take<std::byte>(packed);
    }

    void pack(HeadView<const bf16> source) {
      const std::size_t channels = extent_.channels(), tokens = extent_.tokens();
      for_squares(extent_, [&](std::size_t token, std::size_t channel) {
        Lanes square[kLanes];
        load_square(extent_, source, token, channel, square);
        for (std::size_t t = 0; rows_ != nullptr && t < kLanes; ++t) {
          store(rows_ + (token + t) * channels + channel, square[t]);
        }
        if (transposed_ == nullptr) return;
        transpose(square);
        for (std::size_t c = 0; c < kLanes; ++c) {
          store(transposed_ + (channel + c) * tokens + token, square[c]);
        }
      });
      for (std::size_t block = 0; block < extent_.blocks(); ++block) pack_block(block);
    }

    Left left(std::size_t token) const {
      return {{rows_ + token * extent_.channels(), extent_.channels(), Contiguous::depth}};
    }
    Left left_transposed(std::size_t token) const {
      return {{transposed_ + token, extent_.tokens(), Contiguous::depth}};
    }
    Right right_rows(std::size_t token) const {
      return {right_rows_ + token / kBlock * block_bytes_};
    }
    Right right_columns(std::size_t block) const { return {right_columns_ + block * block_bytes_}; }

   private:
    void pack_block(std::size_t block) {
      const std::size_t channels = extent_.channels(), tokens = extent_.block_size(block);
      const bf16* rows = rows_ + block * kBlock * channels;
      if (right_rows_ != nullptr) {
        engine_.pack(channels, tokens, {rows, channels, Contiguous::line},
                     right_rows_ + block * block_bytes_);
      }
      if (right_columns_ != nullptr) {
        engine_.pack(tokens, channels, {rows, channels, Contiguous::depth},
                     right_columns_ + block * block_bytes_);
      }
    }

    const TileEngine& engine_;
    HeadExtent extent_;
    std::size_t block_bytes_;
    bf16* rows_ = nullptr;                                        // [tokens, channels]
    bf16* transposed_ = nullptr;                                  // [channels, tokens]
    std::byte *right_rows_ = nullptr, *right_columns_ = nullptr;  // [blocks], packed
  };

  class Weights {
   public:
    Weights(const TileEngine& engine, Arena& arena)
        : engine_(engine),
          raw_(arena.take<float>(kBlock * kBlock)),
          rounded_(arena.take<bf16>(kBlock * kBlock)),
          packed_(arena.take<std::byte>(engine.packed_bytes(kBlock, kBlock))) {}

    Target raw() { return {raw_, kBlock}; }
    void put(std::size_t key, std::size_t query, const Lanes& first, const Lanes& second) {
      store(rounded_ + key * kBlock + query, first);
      store(rounded_ + (key + 1) * kBlock + query, second);
    }
    Left left() const { return {{rounded_, kBlock, Contiguous::depth}}; }
    Right right(std::size_t keys, std::size_t queries) {
      engine_.pack(queries, keys, {rounded_, kBlock, Contiguous::line}, packed_);
      return {packed_};
    }

   private:
    const TileEngine& engine_;
    float* raw_;     // [keys, queries]
    bf16* rounded_;  // likewise
    std::byte* packed_;
  };

 private:
  const BlockKernel<bf16, float>& kernel_;
  std::byte* scratch_;
};

}  // namespace isoflop::kernels::cpu
