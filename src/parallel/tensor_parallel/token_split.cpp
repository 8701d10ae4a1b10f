#include "parallel/tensor_parallel/token_split.hpp"

#include "core/bf16.hpp"

namespace isoflop::parallel {

using profile::Region;
using profile::Scope;

template <class T>
const T* TokenSplit<T>::gather(const T* mine, std::size_t count) {
  if (ranks_ == nullptr) return mine;
  const Scope scope(profile_, Region::wait);
  const auto all = static_cast<std::size_t>(ranks_->size()) * count;
  ranks_->all_gather<T>(std::span(mine, count), std::span(buffers_.gathered, all));
  return buffers_.gathered;
}

template <class T>
void TokenSplit<T>::sum(T* mine, std::size_t count) {
  if (ranks_ == nullptr) return;
  const std::span<T> arrived(buffers_.gathered, static_cast<std::size_t>(ranks_->size()) * count);
  {
    const Scope scope(profile_, Region::wait);
    ranks_->all_to_all<T>(std::span<const T>(buffers_.partial, arrived.size()), arrived);
  }
  const Scope scope(profile_, Region::reduce);
  comm::combine_blocks<T>(arrived, std::span(mine, count), comm::Combine::sum);
}

template class TokenSplit<float>;
template class TokenSplit<bf16>;

}  // namespace isoflop::parallel
