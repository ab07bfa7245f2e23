# The PROXY protocol, version 2.
foreach(_half encode decode)
  kiln_unit_test(proxy_v2_${_half} SOURCES ${CMAKE_CURRENT_LIST_DIR}/proxy_v2_${_half}.c)
endforeach()
