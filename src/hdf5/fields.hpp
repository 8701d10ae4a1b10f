// Rows of typed fields, the one description from which columns and compound tables are written and
// read. A row type lists its fields once, in file order:
//
//   struct Point {
//     std::int64_t step = 0; double loss = 0; std::string kind;
//     template <class Row, class Field>
//     static void fields(Row& row, Field&& field) {
//       field("step", row.step); field("loss", row.loss); field("kind", row.kind, 16);  // bytes
//     }
//   };
//
// Text has a fixed size in bytes, UTF-8, zeros behind it. Numbers are little-endian.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <vector>

#include "hdf5/handle.hpp"

namespace isoflop::hdf5 {

static_assert(std::endian::native == std::endian::little, "rows are copied as they lie in memory");

struct Type {
  enum class Kind { int64, float64, text } kind;
  std::size_t bytes;

  static Type int64() { return {Kind::int64, 8}; }
  static Type float64() { return {Kind::float64, 8}; }
  static Type text(std::size_t bytes) { return {Kind::text, bytes}; }
};

/// HDF5's name for it, in the file and in memory alike.
TypeHandle file_type(Type type);

/// Bytes of a stored type. `where` is for messages.
std::size_t size_of(hid_t type, const std::string& where);

struct Field {
  std::string name;
  Type type;
};

/// Appends the text and zeros up to `bytes`; InputError naming the field when it is longer.
void pack_text(const char* field, const std::string& text, std::size_t bytes,
               std::vector<std::byte>& to);
std::string unpack_text(std::span<const std::byte> bytes);

/// At most `bytes` of it, cut between characters.
std::string cut_text(const std::string& text, std::size_t bytes);

template <class Row>
std::vector<Field> fields_of() {
  struct Collect {
    std::vector<Field> fields;
    void operator()(const char* name, std::int64_t) { fields.push_back({name, Type::int64()}); }
    void operator()(const char* name, double) { fields.push_back({name, Type::float64()}); }
    void operator()(const char* name, const std::string&, std::size_t bytes) {
      fields.push_back({name, Type::text(bytes)});
    }
  } collect;
  const Row row{};
  Row::fields(row, collect);
  return collect.fields;
}

/// Calls sink(field index) for the bytes vector that takes the field, and appends the value there.
template <class Row, class Sink>
void pack(const Row& row, Sink&& sink) {
  struct Pack {
    Sink& sink;
    std::size_t index = 0;
    void number(const void* value) {
      std::vector<std::byte>& to = sink(index++);
      const auto* bytes = static_cast<const std::byte*>(value);
      to.insert(to.end(), bytes, bytes + 8);
    }
    void operator()(const char*, const std::int64_t& value) { number(&value); }
    void operator()(const char*, const double& value) { number(&value); }
    void operator()(const char* name, const std::string& value, std::size_t bytes) {
      pack_text(name, value, bytes, sink(index++));
    }
  } visitor{sink};
  Row::fields(row, visitor);
}

/// Calls source(field index, bytes) for the bytes of each field.
template <class Row, class Source>
Row unpack(Source&& source) {
  struct Unpack {
    Source& source;
    std::size_t index = 0;
    void number(void* value) { std::memcpy(value, source(index++, 8).data(), 8); }
    void operator()(const char*, std::int64_t& value) { number(&value); }
    void operator()(const char*, double& value) { number(&value); }
    void operator()(const char*, std::string& value, std::size_t bytes) {
      value = unpack_text(source(index++, bytes));
    }
  } visitor{source};
  Row row{};
  Row::fields(row, visitor);
  return row;
}

}  // namespace isoflop::hdf5
