# The command line.
foreach(_part options options_refused values material_refused)
  kiln_unit_test(${_part} SOURCES ${CMAKE_CURRENT_LIST_DIR}/${_part}.c)
endforeach()
