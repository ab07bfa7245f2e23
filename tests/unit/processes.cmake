# Supervisor and worker, without their processes.
foreach(_part announce watch worker_stop)
  kiln_unit_test(${_part} SOURCES ${CMAKE_CURRENT_LIST_DIR}/${_part}.c)
endforeach()
