# Throw-away certificates.
foreach(_part certs certs_cmd)
  kiln_unit_test(${_part} SOURCES ${CMAKE_CURRENT_LIST_DIR}/${_part}.c)
endforeach()
