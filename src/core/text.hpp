// Texts for people: quantities, and what they paste into a shell.
#pragma once

#include <string>

namespace isoflop {

/// "1:05", "2:03:04": seconds, rounded up; nothing below zero.
std::string clock_time(double seconds);

/// 72.3B, 1.33T: a count in powers of a thousand, three digits.
std::string short_count(double count);

/// One word of a shell's command line that stands for exactly `text`; quoted only where it must be.
std::string shell_word(const std::string& text);

/// `text` with its control characters escaped as in C ("\n", "\x1b"): it takes one line, and tells
/// a terminal nothing.
std::string one_line(const std::string& text);

}  // namespace isoflop
