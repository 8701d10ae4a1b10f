// What is wrong with a command line, in one line that says what to type instead.
#pragma once

#include <string>

namespace CLI {
class App;
class ParseError;
}  // namespace CLI

namespace isoflop::cli {

/// The library's error with the command it is about, and the nearest command or option where one
/// is misspelt.
std::string usage_error(const CLI::App& app, const CLI::ParseError& error);

/// Lets no option and no argument of `app` and its commands take an empty text: it comes from a
/// variable of the shell that is not set, and would be taken for nothing given.
void refuse_empty_values(CLI::App& app);

}  // namespace isoflop::cli
