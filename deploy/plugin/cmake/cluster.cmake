# A LAMMPS, a libtorch and an MPI of the user's own, for
#   cmake -S deploy/plugin -B build -DLAMMPS_DIR=... [-DTORCH_DIR=...] [-DMPI_INCLUDE_DIR=...] [-DLAMMPS_SIZES=BIGBIG]
# Sets the variables that wheels.cmake sets. docs/howto_cluster.md is the manual.
set(LAMMPS_DIR "" CACHE PATH "LAMMPS source tree (with src/) or installation (with include/lammps/)")
set(TORCH_DIR "" CACHE PATH "libtorch, or the torch folder of a Python environment")
set(MPI_INCLUDE_DIR "" CACHE PATH "folder of the mpi.h LAMMPS was compiled with; default: what CMake finds")
set(LAMMPS_SIZES "" CACHE STRING "SMALLBIG or BIGBIG, as LAMMPS was compiled; default: an installation's own, or SMALLBIG")

set(oldest_lammps 20250722)
set(supported_torch 2.13)
get_filename_component(lammps_dir "${LAMMPS_DIR}" ABSOLUTE BASE_DIR "${CMAKE_BINARY_DIR}")

# "22 Jul 2025" from a source tree's version.h; "2025.7.22" from the CMake files of an installation
if(EXISTS "${lammps_dir}/src/pair.h")
  set(LAMPION_LAMMPS_INCLUDE "${lammps_dir}/src")
  require_file("${lammps_dir}/src/version.h" "LAMMPS_DIR must be a complete LAMMPS source tree.")
  file(STRINGS "${lammps_dir}/src/version.h" line REGEX "define +LAMMPS_VERSION")
  if(line MATCHES "\"([0-9]+) ([A-Z][a-z][a-z]) ([0-9]+)")
    set(day "${CMAKE_MATCH_1}")
    set(year "${CMAKE_MATCH_3}")
    string(FIND "JanFebMarAprMayJunJulAugSepOctNovDec" "${CMAKE_MATCH_2}" month)
    math(EXPR month "${month} / 3 + 1")
  endif()
elseif(EXISTS "${lammps_dir}/include/lammps/pair.h")
  set(LAMPION_LAMMPS_INCLUDE "${lammps_dir}/include/lammps")
  file(GLOB folders "${lammps_dir}/cmake/LAMMPS" "${lammps_dir}/lib*/cmake/LAMMPS" "${lammps_dir}/lib/*/cmake/LAMMPS")
  foreach(folder IN LISTS folders)
    file(STRINGS "${folder}/LAMMPSConfigVersion.cmake" line REGEX "^set\\(PACKAGE_VERSION \"")
    if(line MATCHES "\"([0-9]+)\\.([0-9]+)\\.([0-9]+)")
      set(year "${CMAKE_MATCH_1}")
      set(month "${CMAKE_MATCH_2}")
      set(day "${CMAKE_MATCH_3}")
    endif()
    file(STRINGS "${folder}/LAMMPS_Targets.cmake" line REGEX "LAMMPS_(SMALLBIG|BIGBIG)" LIMIT_COUNT 1)
    if(line MATCHES "LAMMPS_(SMALLBIG|BIGBIG)")
      set(installed_sizes "${CMAKE_MATCH_1}")
    endif()
  endforeach()
else()
  message(FATAL_ERROR "LAMMPS_DIR=${LAMMPS_DIR} holds neither src/pair.h nor include/lammps/pair.h. "
    "Give the LAMMPS source tree or the folder it was installed to (CMAKE_INSTALL_PREFIX).")
endif()
if(NOT year)
  message(FATAL_ERROR "The version of the LAMMPS in ${lammps_dir} cannot be read from src/version.h or "
    "lib/cmake/LAMMPS/LAMMPSConfigVersion.cmake. Give a complete source tree or installation.")
endif()

set_lammps_version("${year}" "${month}" "${day}")
if(LAMPION_LAMMPS_NUMBER LESS oldest_lammps)
  message(FATAL_ERROR "The LAMMPS in ${lammps_dir} is of ${LAMPION_LAMMPS_DATE}, and Lampion needs 22 Jul 2025 or newer. "
    "Write: git checkout stable_22Jul2025_update4, and build LAMMPS anew.")
endif()

set(LAMPION_SIZES "${LAMMPS_SIZES}")
if(NOT LAMPION_SIZES)
  set(LAMPION_SIZES "${installed_sizes}")
endif()
if(NOT LAMPION_SIZES)
  set(LAMPION_SIZES SMALLBIG)    # LAMMPS's own default
endif()
if(NOT LAMPION_SIZES MATCHES "^(SMALLBIG|BIGBIG)$")
  message(FATAL_ERROR "LAMMPS_SIZES=${LAMMPS_SIZES} is not SMALLBIG or BIGBIG.")
endif()
if(installed_sizes AND NOT LAMPION_SIZES STREQUAL installed_sizes)
  message(FATAL_ERROR "LAMMPS_SIZES=${LAMMPS_SIZES}, but the LAMMPS in ${lammps_dir} was compiled with ${installed_sizes}. "
    "Leave LAMMPS_SIZES out.")
endif()

set(LAMPION_MPI_INCLUDE "${MPI_INCLUDE_DIR}")
if(NOT LAMPION_MPI_INCLUDE)
  find_package(MPI QUIET COMPONENTS CXX)
  if(NOT MPI_CXX_FOUND)
    message(FATAL_ERROR "No MPI was found. Load the module LAMMPS was compiled with, or write -DMPI_INCLUDE_DIR=FOLDER "
      "with the folder of its mpi.h (src/STUBS of LAMMPS if it was compiled without MPI).")
  endif()
  set(LAMPION_MPI_INCLUDE "${MPI_CXX_INCLUDE_DIRS}")
else()
  require_file("${LAMPION_MPI_INCLUDE}/mpi.h" "MPI_INCLUDE_DIR must be the folder of the mpi.h LAMMPS was compiled with.")
endif()

set(LAMPION_TORCH "${TORCH_DIR}")
if(NOT LAMPION_TORCH)
  find_package(Python COMPONENTS Interpreter)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
      "from importlib.util import find_spec; print(find_spec('torch').submodule_search_locations[0])"
    OUTPUT_VARIABLE LAMPION_TORCH OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
endif()
get_filename_component(LAMPION_TORCH "${LAMPION_TORCH}" ABSOLUTE BASE_DIR "${CMAKE_BINARY_DIR}")
require_file("${LAMPION_TORCH}/include/torch/csrc/api/include/torch/torch.h"
  "Write -DTORCH_DIR=FOLDER with the folder of libtorch, or of torch in a Python environment.")
read_torch_version()
if(NOT LAMPION_TORCH_VERSION MATCHES "^${supported_torch}\\.")
  message(FATAL_ERROR "The torch in ${LAMPION_TORCH} is ${LAMPION_TORCH_VERSION}, and Lampion needs ${supported_torch}, "
    "which wrote the model files. Give one with -DTORCH_DIR=FOLDER.")
endif()

set(LAMPION_LAMMPS_CURE "build the plugin anew for this LAMMPS: cmake -S deploy/plugin -B build -DLAMMPS_DIR=FOLDER")
set(LAMPION_TORCH_CURE "put ${LAMPION_TORCH}/lib first in LD_LIBRARY_PATH, or build the plugin anew with -DTORCH_DIR=FOLDER")
set(LAMPION_RPATH "${LAMPION_TORCH}/lib")
set(LAMPION_DESTINATION "lib/lampion")
message(STATUS "Lampion for LAMMPS ${LAMPION_LAMMPS_DATE} (${LAMPION_SIZES}) in ${lammps_dir}, "
  "torch ${LAMPION_TORCH_VERSION} in ${LAMPION_TORCH}, mpi.h in ${LAMPION_MPI_INCLUDE}")
