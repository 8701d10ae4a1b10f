// Quantities as people read them.
#pragma once

#include <string>

namespace isoflop {

/// "1:05", "2:03:04": seconds, rounded up; nothing below zero.
std::string clock_time(double seconds);

}  // namespace isoflop
