# What both ways to find LAMMPS and torch share.

# Stops unless `file` exists; `cure` says what to install or to write.
function(require_file file cure)
  if(NOT EXISTS "${file}")
    message(FATAL_ERROR "${file} is missing, and the plugin cannot be compiled without it. ${cure}")
  endif()
endfunction()

# LAMPION_LAMMPS_DATE "22 Jul 2025" and LAMPION_LAMMPS_NUMBER 20250722 (LAMMPS's num_ver) from year, month, day.
function(set_lammps_version year month day)
  set(months none Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)
  list(GET months "${month}" name)
  set(LAMPION_LAMMPS_DATE "${day} ${name} ${year}" PARENT_SCOPE)
  math(EXPR number "10000 * ${year} + 100 * ${month} + ${day}")
  set(LAMPION_LAMMPS_NUMBER "${number}" PARENT_SCOPE)
endfunction()

# LAMPION_TORCH_VERSION from the folder LAMPION_TORCH: a torch package (version.py) or a libtorch (build-version).
function(read_torch_version)
  set(LAMPION_TORCH_VERSION "" PARENT_SCOPE)
  foreach(name version.py build-version)
    if(EXISTS "${LAMPION_TORCH}/${name}")
      file(STRINGS "${LAMPION_TORCH}/${name}" line REGEX "^(__version__|[0-9])" LIMIT_COUNT 1)
      string(REGEX MATCH "[0-9]+\\.[0-9]+\\.[0-9]+" version "${line}")
      set(LAMPION_TORCH_VERSION "${version}" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()
