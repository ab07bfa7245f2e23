# A worker as a whole, without its process.
foreach(_part worker_stop)
  kiln_unit_test(${_part} SOURCES ${CMAKE_CURRENT_LIST_DIR}/${_part}.c)
endforeach()
