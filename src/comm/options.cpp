#include "comm/options.hpp"

#include <cmath>
#include <cstdlib>

#include "core/error.hpp"

namespace isoflop::comm {

Options Options::from_environment() {
  Options options;
  const char* text = std::getenv("ISOFLOP_DEADLINE");
  if (text == nullptr) return options;
  char* end = nullptr;
  options.deadline_seconds = std::strtod(text, &end);
  require(end != text && *end == '\0' && options.deadline_seconds > 0.0 &&
              std::isfinite(options.deadline_seconds),
          "ISOFLOP_DEADLINE: seen \"{}\", needed a finite number of seconds above 0", text);
  return options;
}

}  // namespace isoflop::comm
