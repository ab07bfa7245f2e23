foreach(_part log log_write)
  add_executable(unit_${_part}
    ${CMAKE_CURRENT_LIST_DIR}/${_part}.c
    ${PROJECT_SOURCE_DIR}/gateway/log/escape.c
    ${PROJECT_SOURCE_DIR}/gateway/log/log.c
    ${PROJECT_SOURCE_DIR}/gateway/log/sink.c
    ${PROJECT_SOURCE_DIR}/lib/base/error.c)
  target_include_directories(unit_${_part} PRIVATE
    ${PROJECT_SOURCE_DIR}/gateway ${PROJECT_SOURCE_DIR}/lib ${PROJECT_SOURCE_DIR}/lib/include)
  target_link_libraries(unit_${_part} PRIVATE kiln_flags cmocka PkgConfig::JANSSON)
  add_test(NAME unit_${_part} COMMAND unit_${_part})
  set_tests_properties(unit_${_part} PROPERTIES LABELS unit TIMEOUT 60)
endforeach()
