// Objects that serve again and again: one is taken, given back, and taken by the next. So what
// comes and goes in every step is allocated in the first ones alone. Not for several threads.
#pragma once

#include <memory>
#include <utility>
#include <vector>

namespace isoflop::comm {

template <class T>
class Pool {
 public:
  /// One that nobody uses; where there is none, a new one of these arguments. It stays the pool's.
  template <class... Arguments>
  T& take(Arguments&&... arguments) {
    if (unused_.empty()) {
      unused_.reserve(all_.size() + 1);  // so that give_back() has room
      return *all_.emplace_back(std::make_unique<T>(std::forward<Arguments>(arguments)...));
    }
    T& object = *unused_.back();
    unused_.pop_back();
    return object;
  }

  void give_back(T& object) noexcept { unused_.push_back(&object); }

 private:
  std::vector<std::unique_ptr<T>> all_;
  std::vector<T*> unused_;
};

}  // namespace isoflop::comm
