// The sizes of a manifest: every model that a study trains, read from its base and what differs.
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "core/config_document.hpp"
#include "experiment/manifest.hpp"

namespace isoflop::experiment {

/// Labels become parts of file names and of columns of fixed length. Throws InputError.
void check_name(const ConfigTable& table, std::string_view key, const std::string& name);

/// Reads what the study says of runs. Every size reads the file anew, because laying one table over
/// another uses both up. References `text` and `path`.
class RunReader {
 public:
  /// Throws InputError where the base, a size or the target has a key that it may not have, or says
  /// what only a grid may.
  RunReader(const std::string& text, const std::string& path);

  /// Base and entry number `index` of [[size]].
  config::RunConfig listed_size(std::size_t index) const;

  /// Base and assignments that stand at `origin`.
  config::RunConfig made_size(const std::vector<std::string>& sets,
                              const std::string& origin) const;

  config::RunConfig target() const;

 private:
  ConfigDocument document() const { return ConfigDocument::from_text(text_, path_); }
  config::RunConfig read(ConfigDocument over, const std::vector<std::string>& sets,
                         const std::string& origin) const;

  const std::string& text_;
  const std::string& path_;
};

/// The sizes of [[size]]. Takes them from the document.
std::vector<Size> listed_sizes(ConfigDocument& document, const RunReader& runs);

/// `listed`, then those of [sizes]. Throws InputError for none and for a label that comes twice.
std::vector<Size> all_sizes(std::vector<Size> listed, ConfigTable& root, const RunReader& runs);

}  // namespace isoflop::experiment
