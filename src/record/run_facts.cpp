#include "record/run_facts.hpp"

#include "core/error.hpp"

namespace isoflop::record {
namespace {

// The final losses are datasets of /summary only.
bool is_attribute(const std::string& name) { return name.rfind("final_", 0) != 0; }

struct Write {
  hdf5::Attributes& attributes;
  template <class T>
  void operator()(const char* name, const T& value, std::size_t = 0) {
    if (is_attribute(name)) attributes.emplace_back(name, value);
  }
};

struct Read {
  const hdf5::Attributes& attributes;
  const std::string& where;

  template <class T>
  void operator()(const char* name, T& value, std::size_t = 0) const {
    if (is_attribute(name)) value = hdf5::get<T>(attributes, name, where);
  }
};

}  // namespace

hdf5::Attributes to_attributes(const RunFacts& facts, const RunOutcome& outcome) {
  hdf5::Attributes attributes{{"schema", kSchema}};
  Write write{attributes};
  RunFacts::fields(facts, write);
  RunOutcome::fields(outcome, write);
  return attributes;
}

void from_attributes(const hdf5::Attributes& attributes, const std::string& where, RunFacts& facts,
                     RunOutcome& outcome) {
  const hdf5::Value* schema = hdf5::find(attributes, "schema");
  require(schema != nullptr && *schema == hdf5::Value(kSchema),
          "{}: schema {} is needed: the file is no run record, or of another version of isoflop",
          where, kSchema);
  const Read read{attributes, where};
  RunFacts::fields(facts, read);
  RunOutcome::fields(outcome, read);
}

}  // namespace isoflop::record
