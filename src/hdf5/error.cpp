#include "hdf5/error.hpp"

#include <charconv>
#include <string_view>

#include "core/atomic_file.hpp"
#include "core/error.hpp"

namespace isoflop::hdf5 {
namespace {

// The innermost entry is the cause; the outer ones say which internal function passed it on.
herr_t keep_first(unsigned depth, const H5E_error2_t* entry, void* text) {
  if (depth == 0 && entry->desc != nullptr) *static_cast<std::string*>(text) = entry->desc;
  return 0;
}

// "... errno = 28, ..." in what HDF5 says about a failed system call; 0 when there is none.
int system_error(std::string_view text) {
  constexpr std::string_view kKey = "errno = ";
  const auto at = text.find(kKey);
  int number = 0;
  if (at != text.npos)
    std::from_chars(text.data() + at + kKey.size(), text.data() + text.size(), number);
  return number;
}

}  // namespace

void silence() {
  thread_local const herr_t once = H5Eset_auto2(H5E_DEFAULT, nullptr, nullptr);
  (void)once;
}

void throw_error(const char* call, const std::string& where) {
  std::string cause = "no reason given";
  H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, &cause);
  H5Eclear2(H5E_DEFAULT);
  const int error = system_error(cause);
  if (error != 0)
    throw_system_error(where, cause.substr(0, cause.find_first_of(":,")).c_str(), error);
  const std::string_view text = call;
  throw Damaged(fmt::format("{}: {} ({})", where, cause, text.substr(0, text.find('('))));
}

}  // namespace isoflop::hdf5
