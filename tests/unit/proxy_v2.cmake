foreach(_half encode decode)
  add_executable(unit_proxy_v2_${_half}
    ${CMAKE_CURRENT_LIST_DIR}/proxy_v2_${_half}.c
    ${PROJECT_SOURCE_DIR}/gateway/proxy/crc32c.c
    ${PROJECT_SOURCE_DIR}/gateway/proxy/proxy_v2_decode.c
    ${PROJECT_SOURCE_DIR}/gateway/proxy/proxy_v2_encode.c
    ${PROJECT_SOURCE_DIR}/lib/base/error.c)
  target_include_directories(unit_proxy_v2_${_half} PRIVATE
    ${PROJECT_SOURCE_DIR}/gateway ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
  target_link_libraries(unit_proxy_v2_${_half} PRIVATE kiln_flags cmocka)
  add_test(NAME unit_proxy_v2_${_half} COMMAND unit_proxy_v2_${_half})
  set_tests_properties(unit_proxy_v2_${_half} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()
