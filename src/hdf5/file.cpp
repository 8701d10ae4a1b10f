#include "hdf5/file.hpp"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "core/atomic_file.hpp"
#include "hdf5/error.hpp"

namespace isoflop::hdf5 {
namespace {

constexpr hsize_t kPage = 4096;

PropertiesHandle file_access(const std::string& where) {
  PropertiesHandle access(ISOFLOP_HDF5(H5Pcreate(H5P_FILE_ACCESS), where));
  ISOFLOP_HDF5(H5Pset_libver_bounds(access.id(), H5F_LIBVER_V110, H5F_LIBVER_V110), where);
  // No locks: a reader must never keep a writer out, and some cluster file systems have none. That
  // one process alone writes to a run is the business of the run directory's lock.
  ISOFLOP_HDF5(H5Pset_file_locking(access.id(), false, true), where);
  // A column's chunk fills just under a page (column.cpp); on a page of its own, its rewriting is
  // one step for the kernel, which neither a kill nor a reader can see half done.
  ISOFLOP_HDF5(H5Pset_alignment(access.id(), kPage / 2 + 1, kPage), where);
  ISOFLOP_HDF5(H5Pset_meta_block_size(access.id(), kPage), where);
  return access;
}

unsigned flags(Access access) {
  switch (access) {
    case Access::read:
      return H5F_ACC_RDONLY;
    case Access::write:
      return H5F_ACC_RDWR;
    case Access::swmr_read:
      return H5F_ACC_RDONLY | H5F_ACC_SWMR_READ;
    case Access::swmr_write:
      return H5F_ACC_RDWR | H5F_ACC_SWMR_WRITE;
  }
  return H5F_ACC_RDONLY;
}

}  // namespace

File::File(std::filesystem::path path, FileHandle handle)
    : path_(std::move(path)), handle_(std::move(handle)) {}

File File::create(const std::filesystem::path& path) {
  const std::string where = path.string();
  const PropertiesHandle access = file_access(where);
  return File(path, FileHandle(ISOFLOP_HDF5(
                        H5Fcreate(path.c_str(), H5F_ACC_TRUNC, H5P_DEFAULT, access.id()), where)));
}

File File::open(const std::filesystem::path& path, Access access) {
  const std::string where = path.string();
  const PropertiesHandle properties = file_access(where);
  // SWMR readers read again what a writer may be changing, and wait twice as long each time, from a
  // nanosecond: by default 100 times, which for a damaged file is for ever. These end after 67 ms.
  constexpr unsigned kReadAttempts = 26;
  if (access == Access::swmr_read)
    ISOFLOP_HDF5(H5Pset_metadata_read_attempts(properties.id(), kReadAttempts), where);
  return File(
      path, FileHandle(ISOFLOP_HDF5(H5Fopen(path.c_str(), flags(access), properties.id()), where)));
}

void File::flush() { ISOFLOP_HDF5(H5Fflush(id(), H5F_SCOPE_LOCAL), where()); }

void File::close() {
  flush();  // a flush that fails leaves the file open, a close that fails leaves HDF5 in disorder
  ISOFLOP_HDF5(handle_.close(), where());
}

File::~File() {
  if (id() >= 0 && H5Fflush(id(), H5F_SCOPE_LOCAL) < 0) abandon();
}

int File::descriptor() const noexcept {
  int* descriptor = nullptr;
  void** address = reinterpret_cast<void**>(&descriptor);
  return H5Fget_vfd_handle(id(), H5P_DEFAULT, address) < 0 ? -1 : *descriptor;
}

void File::reserve(std::size_t bytes) {
  const int file = descriptor();
  const std::size_t size = std::filesystem::file_size(path_);
  if (size + bytes <= reserved_) return;
  rlimit largest{};
  if (::getrlimit(RLIMIT_FSIZE, &largest) != 0) throw_system_error(path_, "getrlimit", errno);
  if (size + bytes > largest.rlim_cur) throw_system_error(path_, "write", EFBIG);
  constexpr std::size_t kFurther = std::size_t{1} << 20;  // so that not every call asks the system
  const std::size_t ahead = bytes + std::min(bytes, kFurther);
  if (::fallocate(file, FALLOC_FL_KEEP_SIZE, static_cast<off_t>(size), static_cast<off_t>(ahead)) ==
      0) {
    reserved_ = size + ahead;
    return;
  }
  if (errno == ENOSPC || errno == EDQUOT) throw_system_error(path_, "write", errno);
  // A file system that cannot reserve (NFS 3, FUSE) at least tells what is free.
  const auto free = std::filesystem::space(path_).available;
  if (free < bytes) throw_system_error(path_, "write", ENOSPC);
}

void File::abandon() noexcept {
  const int nowhere = ::open("/dev/null", O_RDWR | O_CLOEXEC);
  if (nowhere < 0) return;
  if (const int file = descriptor(); file >= 0) ::dup2(nowhere, file);
  ::close(nowhere);
}

std::string File::where(const std::string& object) const {
  return object.empty() ? path_.string() : path_.string() + ":" + object;
}

bool File::contains(const std::string& name) const {
  for (std::size_t end = name.find('/', 1);; end = name.find('/', end + 1)) {
    const std::string part = name.substr(0, end);
    if (part != "/" && ISOFLOP_HDF5(H5Lexists(id(), part.c_str(), H5P_DEFAULT), where(part)) == 0)
      return false;
    if (end == std::string::npos) return true;
  }
}

std::vector<std::string> File::children(const std::string& group) const {
  if (!contains(group)) return {};
  const ObjectHandle object(ISOFLOP_HDF5(H5Oopen(id(), group.c_str(), H5P_DEFAULT), where(group)));
  H5G_info_t info{};
  ISOFLOP_HDF5(H5Gget_info(object.id(), &info), where(group));
  std::vector<std::string> names(info.nlinks);
  for (hsize_t i = 0; i < info.nlinks; ++i) {
    const auto name_at = [&](char* text, std::size_t size) {
      return ISOFLOP_HDF5(H5Lget_name_by_idx(object.id(), ".", H5_INDEX_NAME, H5_ITER_INC, i, text,
                                             size, H5P_DEFAULT),
                          where(group));
    };
    names[i].resize(static_cast<std::size_t>(name_at(nullptr, 0)));
    name_at(names[i].data(), names[i].size() + 1);
  }
  return names;
}

void File::make_group(const std::string& name) {
  const ObjectHandle group(ISOFLOP_HDF5(
      H5Gcreate2(id(), name.c_str(), making_groups().id(), H5P_DEFAULT, H5P_DEFAULT), where(name)));
}

void File::link_external(const std::string& name, const std::string& file,
                         const std::string& object) {
  ISOFLOP_HDF5(H5Lcreate_external(file.c_str(), object.c_str(), id(), name.c_str(),
                                  making_groups().id(), H5P_DEFAULT),
               where(name));
}

std::string File::linked_file(const std::string& name) const {
  H5L_info_t info;
  if (ISOFLOP_HDF5(H5Lexists(id(), name.c_str(), H5P_DEFAULT), where(name)) == 0) return "";
  ISOFLOP_HDF5(H5Lget_info(id(), name.c_str(), &info, H5P_DEFAULT), where(name));
  if (info.type != H5L_TYPE_EXTERNAL) return "";
  std::vector<char> value(info.u.val_size);
  ISOFLOP_HDF5(H5Lget_val(id(), name.c_str(), value.data(), value.size(), H5P_DEFAULT),
               where(name));
  unsigned flags = 0;
  const char* file = nullptr;
  const char* object = nullptr;
  ISOFLOP_HDF5(H5Lunpack_elink_val(value.data(), value.size(), &flags, &file, &object),
               where(name));
  return file;
}

PropertiesHandle making_groups() {
  PropertiesHandle properties(ISOFLOP_HDF5(H5Pcreate(H5P_LINK_CREATE), "link properties"));
  ISOFLOP_HDF5(H5Pset_create_intermediate_group(properties.id(), 1), "link properties");
  return properties;
}

}  // namespace isoflop::hdf5
