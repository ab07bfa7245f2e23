# Log lines.
foreach(_part log log_write)
  kiln_unit_test(${_part} SOURCES ${CMAKE_CURRENT_LIST_DIR}/${_part}.c)
endforeach()
