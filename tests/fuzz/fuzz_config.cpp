// TOML files and --set overrides: typed values or one InputError, and what is written as TOML again
// reads back.
#include <array>
#include <cstdint>
#include <string>

#include "core/config_document.hpp"
#include "core/error.hpp"

using isoflop::ConfigDocument;
using isoflop::ConfigTable;
using isoflop::InputError;

namespace {

template <class Ask>
void attempt(const Ask& ask) {
  try {
    ask();
  } catch (const InputError&) {  // NOLINT(bugprone-empty-catch): refused, as it should be
  }
}

void ask_everything(ConfigTable table, int depth) {
  for (const std::string& key : table.keys()) {
    attempt([&] { table.integer(key, 0, 1000); });
    attempt([&] { table.number(key, 0.0, 1.0); });
    attempt([&] { table.boolean(key); });
    attempt([&] { table.choice(key, std::array<std::string, 2>{"cosine", "wsd"}); });
    attempt([&] { table.integers(key, 0, 1000); });
    attempt([&] { table.numbers(key, 0.0, 1.0); });
    attempt([&] { table.strings(key); });
    attempt([&] { table.tables(key); });
    if (depth < 8 && table.is_table(key)) ask_everything(table.table(key), depth + 1);
  }
}

}  // namespace

/// The first line is an override, all of it is the file.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer calls it by this name
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  attempt([&] {
    ConfigDocument document = ConfigDocument::from_text(text, "run.toml");
    attempt([&] { document.set(text.substr(0, text.find('\n'))); });
    ask_everything(document.root(), 0);
    attempt([&] { document.root().refuse_unknown_keys(); });
    ConfigDocument::from_text(document.to_toml(), "again.toml").root();
  });
  return 0;
}
